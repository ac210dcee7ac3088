/** Network cards as QEMU's arguments. Pure: taps are opened by others and come as descriptor numbers. */
import type { Domain } from '../domain/definition.ts';
import type { Interface, PortForward } from '../domain/devices.ts';
import { isUsbCard } from '../domain/network.ts';
import type { BootOrder } from './argv-boot.ts';
import { cardProperties, socketProperties } from './argv-cards.ts';
import { romProperties } from './argv-hostdevs.ts';
import type { UsbPlaces } from './argv-usb.ts';
import { type Part, device, given, impossible, json, pciDevice, text } from './arguments.ts';

/** Descriptors of one card as numbered in the hypervisor: one of each for a queue. */
export interface Tap {
  readonly fds: readonly number[];
  /** Of /dev/vhost-net; empty: packets go through the hypervisor. */
  readonly vhostFds: readonly number[];
}

/** Each card, `netN`, behind its back end, `hostnetN`. Its link is up: taking it down is a command. */
export function interfaceParts(
  domain: Domain,
  taps: ReadonlyMap<number, Tap>,
  { boot, usb }: { readonly boot: BootOrder; readonly usb: UsbPlaces },
): Part[] {
  return domain.interfaces.flatMap((nic, index) => {
    const netdev = `hostnet${index}`;
    const properties = {
      ...cardProperties(nic),
      netdev,
      id: `net${index}`,
      mac: nic.mac,
      ...given('bootindex', boot.get(nic) ?? null),
      ...given('acpi-index', nic.acpiIndex),
      ...romProperties(nic.rom),
    };
    const behind = json('-netdev', backend(nic, { id: netdev, index, tap: taps.get(index) }));
    const card = isUsbCard(nic.model)
      ? device({ ...properties, ...usb.get(nic) })
      : [pciDevice('interface', nic.address, properties)];
    return [...companion(nic, index), ...behind, ...card];
  });
}

function companion({ vhostUserSocket }: Interface, index: number): string[] {
  return vhostUserSocket === null ? [] : ['-chardev', `socket,id=charnet${index},path=${text(vhostUserSocket)}`];
}

interface Behind {
  readonly id: string;
  readonly index: number;
  readonly tap: Tap | undefined;
}

function backend(nic: Interface, { id, index, tap }: Behind): object {
  if (nic.type === 'user') return { type: 'user', ...forwards(nic.portForwards), id };
  if (nic.type === 'vhostuser')
    return { type: 'vhost-user', chardev: `charnet${index}`, ...given('queues', nic.queues), id };
  if (nic.socket !== null) return { type: 'socket', ...socketProperties(nic.type, nic.socket), id };
  if (!tap) throw new Error(`no tap was opened for the ${nic.type} interface ${nic.mac}`);
  return { type: 'tap', ...descriptors('fd', tap.fds), ...vhost(tap.vhostFds), id };
}

/** One descriptor and several go by different names. */
function descriptors(key: 'fd' | 'vhostfd', fds: readonly number[]): object {
  return fds.length === 1 ? { [key]: String(fds[0]) } : { [`${key}s`]: fds.join(':') };
}

function vhost(fds: readonly number[]): object {
  return fds.length === 0 ? {} : { vhost: true, ...descriptors('vhostfd', fds) };
}

function forwards(portForwards: readonly PortForward[]): object {
  if (portForwards.length === 0) return {};
  return { hostfwd: portForwards.map((each) => ({ str: forward(each) })) };
}

/** QEMU's own text, without quoting: what is not an IPv4 address could be another setting. */
function forward({ protocol, address, hostPort, guestPort }: PortForward): string {
  if (address !== null && !/^[\d.]+$/.test(address)) {
    throw impossible(`<portForward address='${address}'>: not an IPv4 address`, "QEMU's own NAT forwards IPv4 only");
  }
  return `${protocol}:${address ?? ''}:${hostPort}-:${guestPort}`;
}
