/** Rules on where devices sit and in which order they are booted from: each place once. */
import type { Address, Console } from '../domain/devices.ts';
import type { Hostdev } from '../domain/hostdev.ts';
import type { MemoryModule } from '../domain/numa.ts';
import { addressKey } from './addresses.ts';
import { devicesAt, type Known } from './known.ts';
import type { Problem } from './problems.ts';
import { at, repeats, when, type Ruled } from './rule.ts';

type PlacedKey = `/domain/devices/${
  | 'disk'
  | 'controller'
  | 'filesystem'
  | 'interface'
  | 'serial'
  | 'parallel'
  | 'hub'
  | 'redirdev'
  | 'smartcard'
  | 'iommu'
  | 'crypto'
  | 'hostdev'
  | 'memory'
  | 'vsock'
  | 'pstore'
  | 'shmem'
  | 'console'
  | 'channel'
  | 'input'
  | 'sound'
  | 'video'
  | 'watchdog'
  | 'memballoon'
  | 'rng'}`;

interface Placed {
  readonly element: Known;
  readonly key: PlacedKey;
  readonly address: Address | null;
  /** Drives of different buses have addresses of their own. */
  readonly bus: string;
}

/** What is wrong with addresses and boot order. */
export function brokenPlaces(known: Known, domain: Ruled): Problem[] {
  return [...repeatedAddresses(known, domain), ...brokenOrder(known, domain)];
}

function repeatedAddresses(known: Known, domain: Ruled): Problem[] {
  const placed = allPlaced(known, domain);
  const isRepeated = repeats(
    placed.map(({ address, bus }) => (address === null ? null : `${bus} ${addressKey(address)}`)),
  );
  return placed.flatMap(({ element, key }, index) => {
    const message = 'another device has this address already';
    const hint = 'give each its own address, or leave the address out';
    return when(isRepeated(index), element, `${key}/address`, message, hint);
  });
}

function allPlaced(known: Known, domain: Ruled): Placed[] {
  const one = <T>(device: T | null): readonly T[] => (device === null ? [] : [device]);
  const list = (key: PlacedKey, devices: readonly { readonly address: Address | null }[]): Placed[] => {
    const elements = devicesAt(known, key);
    return devices.flatMap((device, index) => {
      const element = elements[index];
      const bus = device.address?.type === 'drive' && 'bus' in device ? String(device.bus) : '';
      return element === undefined ? [] : [{ element, key, address: device.address, bus }];
    });
  };
  return [
    ...list('/domain/devices/disk', domain.disks),
    ...list('/domain/devices/controller', domain.controllers),
    ...list('/domain/devices/filesystem', domain.filesystems),
    ...list('/domain/devices/interface', domain.interfaces),
    ...list('/domain/devices/serial', domain.serials),
    ...list('/domain/devices/parallel', domain.parallels),
    ...list('/domain/devices/console', domain.consoles.map(ownPlace)),
    ...list('/domain/devices/hub', domain.hubs),
    ...list('/domain/devices/redirdev', domain.redirdevs),
    ...list('/domain/devices/smartcard', domain.smartcards),
    ...list('/domain/devices/iommu', one(domain.iommu)),
    ...list('/domain/devices/crypto', domain.cryptos),
    ...list('/domain/devices/channel', domain.channels),
    ...list('/domain/devices/input', domain.inputs),
    ...list('/domain/devices/sound', domain.sounds),
    ...list('/domain/devices/video', domain.videos),
    ...list('/domain/devices/watchdog', one(domain.watchdog)),
    ...list('/domain/devices/memballoon', [domain.memballoon]),
    ...list('/domain/devices/rng', domain.rngs),
    ...list('/domain/devices/hostdev', domain.hostdevs.map(onBus)),
    ...list('/domain/devices/memory', domain.memoryModules.map(ownSlot)),
    ...list('/domain/devices/vsock', one(domain.vsock)),
    ...list('/domain/devices/pstore', one(domain.pstore)),
    ...list('/domain/devices/shmem', domain.shmems),
  ];
}

/** A SCSI device has an address among the disks. */
function onBus({ type, address }: Hostdev): { readonly address: Address | null } {
  return type === 'scsi' ? Object.assign({ address }, { bus: 'scsi' }) : { address };
}

/** Slots have rules of their own. */
function ownSlot(module: MemoryModule): { readonly address: Address | null } {
  return { address: module.model === 'dimm' ? null : module.address };
}

/** A console that doubles a serial port has that one's place. */
function ownPlace({ kind, address }: Console): { readonly address: Address | null } {
  return { address: kind === 'virtio' ? address : null };
}

const bootKeys = [
  '/domain/devices/disk',
  '/domain/devices/interface',
  '/domain/devices/redirdev',
  '/domain/devices/hostdev',
  '/domain/devices/filesystem',
] as const;

function brokenOrder(known: Known, { disks, interfaces, redirdevs, hostdevs, filesystems, os }: Ruled): Problem[] {
  const bootable = [...disks, ...interfaces, ...redirdevs, ...hostdevs, ...filesystems];
  const orders = bootable.map(({ bootOrder }) => bootOrder);
  const isRepeated = repeats(orders);
  const elements = bootKeys.flatMap((key) => devicesAt(known, key).map((element) => ({ element, key })));
  const isMixed = os.boot.length > 0 && orders.some((order) => order !== null);
  const mixed = 'a boot order of devices and <boot> in <os> cannot be had together';
  const problems = elements.flatMap(({ element, key }, index) => {
    const message = `another device has boot order ${orders[index]} already`;
    return when(isRepeated(index), element, `${key}/boot`, message, 'give each its own number');
  });
  return isMixed ? [...problems, at(known, '/domain/os/boot', mixed, 'keep one of the two')] : problems;
}
