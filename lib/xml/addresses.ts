/** Where devices sit: XML -> model and back. */
import type { Address } from '../domain/devices.ts';
import { valueAt, type Known } from './known.ts';
import { tag, type Tag } from './serialize.ts';

type OnPci = `/domain/devices/${'filesystem' | 'video' | 'watchdog' | 'memballoon' | 'rng' | 'vsock' | 'pstore'}`;
type OnPciOrUsb = OnPci | '/domain/devices/input' | '/domain/devices/sound' | '/domain/devices/disk';

/** The address of the device at `key`; null: none given, or only its kind. */
export function readAddress(device: Known, key: OnPciOrUsb): Address | null {
  if (key === '/domain/devices/input' || key === '/domain/devices/sound' || key === '/domain/devices/disk') {
    const type = valueAt(device, `${key}/address/@type`);
    if (type === 'usb') return readUsb(device, key);
    if (type === 'drive') return readPlace(device);
  }
  return readPci(device, key);
}

/** `<address type='pci'/>` alone leaves the place to the hypervisor. */
function readPci(device: Known, key: OnPciOrUsb): Address | null {
  const bus = valueAt(device, `${key}/address/@bus`);
  const slot = valueAt(device, `${key}/address/@slot`);
  if (bus === undefined && slot === undefined) return null;
  return {
    type: 'pci',
    domain: valueAt(device, `${key}/address/@domain`) ?? 0,
    bus: bus ?? 0,
    slot: slot ?? 0,
    function: valueAt(device, `${key}/address/@function`) ?? 0,
    multifunction: valueAt(device, `${key}/address/@multifunction`) ?? false,
  };
}

function readUsb(device: Known, key: `/domain/devices/${'input' | 'sound' | 'disk'}`): Address | null {
  const port = valueAt(device, `${key}/address/@port`);
  return port === undefined ? null : { type: 'usb', bus: valueAt(device, `${key}/address/@bus`) ?? 0, port };
}

/** The address of a device that may sit on several kinds of bus; null: none given, or only its kind. */
export function readPlace(device: Known): Address | null {
  const place = device.children.find(({ key }) => key === `${device.key}/address`);
  if (place === undefined) return null;
  const read = (name: string): unknown => place.values.get(`${place.key}/@${name}`);
  const number = (name: string): number | null => {
    const value = read(name);
    return typeof value === 'number' ? value : null;
  };
  const index = (name: string): number => number(name) ?? 0;
  switch (read('type')) {
    case 'pci':
      return pciPlace(number, read('multifunction') === true);
    case 'usb':
      return { type: 'usb', bus: index('bus'), port: String(read('port')) };
    case 'isa':
      return { type: 'isa', iobase: number('iobase'), irq: number('irq') };
    case 'ccid':
      return { type: 'ccid', controller: index('controller'), slot: index('slot') };
    case 'drive':
      return {
        type: 'drive',
        controller: index('controller'),
        bus: index('bus'),
        target: index('target'),
        unit: index('unit'),
      };
    default:
      return { type: 'virtio-serial', controller: index('controller'), bus: index('bus'), port: index('port') };
  }
}

function pciPlace(number: (name: string) => number | null, multifunction: boolean): Address | null {
  const [bus, slot] = [number('bus'), number('slot')];
  if (bus === null && slot === null) return null;
  const [domain, part] = [number('domain') ?? 0, number('function') ?? 0];
  return { type: 'pci', domain, bus: bus ?? 0, slot: slot ?? 0, function: part, multifunction };
}

/** The element for `address`; null for none. */
export function addressTag(address: Address | null): Tag | null {
  if (address === null) return null;
  if (address.type === 'isa') {
    const { type, iobase, irq } = address;
    return tag('address', {
      type,
      iobase: iobase === null ? null : hex(iobase, 1),
      irq: irq === null ? null : hex(irq, 1),
    });
  }
  if (address.type !== 'pci') return tag('address', { ...address });
  const { type, domain, bus, slot, function: part, multifunction } = address;
  return tag('address', {
    type,
    domain: hex(domain, 4),
    bus: hex(bus, 2),
    slot: hex(slot, 2),
    function: hex(part, 1),
    multifunction: multifunction ? 'on' : null,
  });
}

/** Tells one address from another. */
export function addressKey(address: Address): string {
  return Object.entries(address)
    .filter(([name]) => name !== 'multifunction')
    .map(([, value]) => String(value))
    .join(':');
}

/** As libvirt writes a number of an address. */
export function hex(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}
