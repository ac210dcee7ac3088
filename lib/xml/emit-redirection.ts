/** USB hubs, redirected USB devices, smart cards -> XML. */
import type { Hub, Redirdev, RedirRule, Smartcard } from '../domain/redirection.ts';
import { addressTag } from './addresses.ts';
import { source } from './emit-backends.ts';
import { tag, yesNo, type Tag } from './serialize.ts';

/** `<hub>`. */
export function hub({ address }: Hub): Tag {
  return tag('hub', { type: 'usb' }, [addressTag(address)]);
}

/** `<redirdev>`. */
export function redirdev({ backend, bootOrder, address }: Redirdev): Tag {
  return tag('redirdev', { bus: 'usb', type: backend.type }, [
    ...source(backend),
    bootOrder === null ? null : tag('boot', { order: bootOrder }),
    addressTag(address),
  ]);
}

/** `<redirfilter>`. */
export function redirFilter(rules: readonly RedirRule[]): Tag {
  return tag('redirfilter', {}, rules.map(redirRule));
}

function redirRule({ class: kind, vendor, product, version, allow }: RedirRule): Tag {
  return tag('usbdev', {
    class: hex(kind, 2),
    vendor: hex(vendor, 4),
    product: hex(product, 4),
    version,
    allow: yesNo(allow),
  });
}

function hex(value: number | null, digits: number): string | null {
  return value === null ? null : `0x${value.toString(16).padStart(digits, '0')}`;
}

/** `<smartcard>`. */
export function smartcard(one: Smartcard): Tag {
  const { mode, address } = one;
  switch (mode) {
    case 'host':
      return tag('smartcard', { mode }, [addressTag(address)]);
    case 'host-certificates':
      return tag('smartcard', { mode }, [
        ...one.certificates.map((name) => tag('certificate', {}, name)),
        one.database === null ? null : tag('database', {}, one.database),
        addressTag(address),
      ]);
    case 'passthrough':
      return tag('smartcard', { mode, type: one.backend.type }, [...source(one.backend), addressTag(address)]);
  }
}
