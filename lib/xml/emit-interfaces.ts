/** Network cards -> XML. */
import type { Interface, PortForward } from '../domain/devices.ts';
import { addressTag } from './addresses.ts';
import { driver, source } from './emit-cards.ts';
import { acpiTag, bootTag } from './emit-disks.ts';
import { romTag } from './emit-hostdevs.ts';
import { tag, type Tag } from './serialize.ts';

/** `<interface>`. */
export function card(one: Interface): Tag {
  return tag('interface', { type: one.type }, [
    tag('mac', { address: one.mac }),
    source(one),
    ...one.portForwards.map(portForward),
    target(one),
    tag('model', { type: one.model }),
    driver(one),
    one.linkUp ? null : tag('link', { state: 'down' }),
    one.mtu === null ? null : tag('mtu', { size: one.mtu }),
    romTag(one.rom),
    bootTag(one.bootOrder),
    acpiTag(one.acpiIndex),
    addressTag(one.address),
  ]);
}

function portForward({ protocol: proto, address, hostPort: start, guestPort: to }: PortForward): Tag {
  return tag('portForward', { proto, address }, [tag('range', { start, to: to === start ? null : to })]);
}

function target({ tap: dev, tapManaged }: Interface): Tag | null {
  return dev === null && tapManaged ? null : tag('target', { dev, managed: tapManaged ? null : 'no' });
}
