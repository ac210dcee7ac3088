/** Where devices sit: XML -> model and back. */
import type { Address } from '../domain/devices.ts';
import { has, valueAt, type Known } from './known.ts';
import { tag, type Tag } from './serialize.ts';

type OnPci =
  `/domain/devices/${'controller' | 'interface' | 'filesystem' | 'video' | 'watchdog' | 'memballoon' | 'rng'}`;
type OnPciOrUsb = OnPci | '/domain/devices/input' | '/domain/devices/sound' | '/domain/devices/disk';
type OnVirtioSerial = '/domain/devices/console' | '/domain/devices/channel';

/** The address of the device at `key`; null: none given, or only its kind. */
export function readAddress(device: Known, key: OnPciOrUsb | OnVirtioSerial): Address | null {
  if (key === '/domain/devices/console' || key === '/domain/devices/channel') return readPort(device, key);
  if (key === '/domain/devices/input' || key === '/domain/devices/sound' || key === '/domain/devices/disk') {
    const type = valueAt(device, `${key}/address/@type`);
    if (type === 'usb') return readUsb(device, key);
    if (type === 'drive') return readDrive(device);
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

function readDrive(disk: Known): Address {
  return {
    type: 'drive',
    controller: valueAt(disk, '/domain/devices/disk/address/@controller') ?? 0,
    bus: valueAt(disk, '/domain/devices/disk/address/@bus') ?? 0,
    target: valueAt(disk, '/domain/devices/disk/address/@target') ?? 0,
    unit: valueAt(disk, '/domain/devices/disk/address/@unit') ?? 0,
  };
}

function readPort(device: Known, key: OnVirtioSerial): Address | null {
  if (!has(device, `${key}/address`)) return null;
  return {
    type: 'virtio-serial',
    controller: valueAt(device, `${key}/address/@controller`) ?? 0,
    bus: valueAt(device, `${key}/address/@bus`) ?? 0,
    port: valueAt(device, `${key}/address/@port`) ?? 0,
  };
}

/** The element for `address`; null for none. */
export function addressTag(address: Address | null): Tag | null {
  if (address === null) return null;
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

function hex(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}
