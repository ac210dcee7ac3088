/**
 * Disks as QEMU's arguments: a chain of block nodes and a device on it. Pure. Owns node names, and ids by which the
 * disk is known later: `virtio-disk0`, `scsi0-0-0-1`, `sata0-0-1`, `ide0-0-1`, `usb-disk0`.
 */
import type { Domain } from '../domain/definition.ts';
import type { Disk } from '../domain/devices.ts';
import { nodesOf } from './argv-blockdev.ts';
import type { BootOrder } from './argv-boot.ts';
import { iothreadName } from './argv-iothreads.ts';
import { onBoard, scsiModel } from './argv-controllers.ts';
import { type UsbPlaces, usbPlaces } from './argv-usb.ts';
import { type Part, device, given, impossible, json, onOff, pciDevice } from './arguments.ts';
import { type Drive, driveOf, targetIndex } from './drive-address.ts';
import { machineFamily } from './machine-family.ts';

/**
 * Disks in libvirt's order: by bus as each appears first, then by target, vdz before vdaa. Guests name their disks in
 * this order.
 */
export function sortDisks(disks: readonly Disk[]): Disk[] {
  const buses = [...new Set(disks.map(({ bus }) => bus))];
  const byTarget = (a: Disk, b: Disk): number => targetIndex(a.target) - targetIndex(b.target);
  return buses.flatMap((bus) => disks.filter((each) => each.bus === bus).sort(byTarget));
}

/** Nodes and device of every disk, `disks` being sorted. Throws INVALID_XML for what no machine can have. */
export function diskParts(domain: Domain, disks: readonly Disk[], boot: BootOrder): Part[] {
  const usb = usbPlaces(domain);
  return disks.flatMap((disk, index) => {
    refuseImpossible(disk, domain);
    const { nodes, top } = nodesOf(disk, `libvirt-${disks.length - index}`);
    const settings = { ...given('drive', top), ...given('bootindex', boot.get(disk) ?? null), ...common(disk) };
    return [...nodes.flatMap((node) => json('-blockdev', node)), ...front(disk, { domain, usb, settings })];
  });
}

interface Surroundings {
  readonly domain: Domain;
  readonly usb: UsbPlaces;
  /** Properties that a disk on any bus has. */
  readonly settings: object;
}

/** What the guest sees. */
function front(disk: Disk, around: Surroundings): Part[] {
  const { settings, usb } = around;
  const drive = driveOf(disk);
  if (drive !== null) return device(behindController(disk, drive, around));
  const index = targetIndex(disk.target);
  if (disk.bus === 'usb') {
    const names = { ...usb.get(disk), id: `usb-disk${index}`, removable: false };
    return device({ driver: 'usb-storage', ...names, ...settings });
  }
  const { queues, iothread } = disk.driver;
  const threads = { ...given('iothread', iothread && iothreadName(iothread)), ...given('num-queues', queues) };
  const properties = { driver: 'virtio-blk-pci', ...threads, id: `virtio-disk${index}`, ...settings };
  return [pciDevice('disk', disk.address, properties)];
}

function behindController(disk: Disk, drive: Drive, { domain, settings }: Surroundings): object {
  const { controller, bus, unit } = drive;
  const kind = disk.device === 'cdrom' ? 'cd' : 'hd';
  if (disk.bus === 'scsi') return { driver: `scsi-${kind}`, ...scsiPlace(disk, drive, domain), ...settings };
  const driver = `ide-${kind}`;
  const id = `${disk.bus}${controller}-${bus}-${unit}`;
  if (disk.bus === 'ide') return { driver, bus: `ide.${bus}`, unit, id, ...settings };
  const board = onBoard('sata', controller, machineFamily(domain.os.machine));
  return { driver, bus: `${board ? 'ide' : `sata${controller}`}.${unit}`, id, ...settings };
}

/** The old LSI chip knows targets without luns. `device_id` is what guests make /dev/disk/by-id of. */
function scsiPlace(disk: Disk, { controller, bus, target, unit }: Drive, domain: Domain): object {
  const simple = scsiModel(domain, controller) === 'lsilogic';
  const id = simple ? `scsi${controller}-${bus}-${unit}` : `scsi${controller}-${bus}-${target}-${unit}`;
  const place = simple ? { 'scsi-id': unit } : { channel: 0, 'scsi-id': target, lun: unit };
  return { bus: `scsi${controller}.0`, ...place, device_id: disk.serial ?? `drive-${id}`, id };
}

function common({ driver, shareable, serial }: Disk): object {
  const writeCache = driver.cache === null ? null : onOff(!['writethrough', 'directsync'].includes(driver.cache));
  const share = shareable ? { 'share-rw': true } : {};
  return { ...share, ...given('serial', serial), ...given('write-cache', writeCache), ...errorPolicies(driver) };
}

/** A read error follows the policy of writes, but `enospace` says nothing of it. */
function errorPolicies({ errorPolicy, readErrorPolicy }: Disk['driver']): object {
  const write = errorPolicy === 'enospace' ? 'enospc' : errorPolicy;
  const read = readErrorPolicy ?? (errorPolicy === 'enospace' ? null : errorPolicy);
  return { ...given('werror', write), ...given('rerror', read) };
}

function refuseImpossible(disk: Disk, domain: Domain): void {
  const fault = faults.find(({ holds }) => holds(disk, domain));
  if (fault) throw impossible(`disk '${disk.target}' on bus '${disk.bus}': ${fault.what}`, fault.remedy);
}

const onDriveBus = ({ bus }: Disk): boolean => bus === 'ide' || bus === 'sata';

const faults: readonly {
  readonly what: string;
  readonly remedy: string;
  holds(disk: Disk, domain: Domain): boolean;
}[] = [
  {
    what: 'a cdrom needs a drive',
    remedy: "use bus='sata' or bus='scsi'",
    holds: ({ bus, device }) => device === 'cdrom' && bus === 'virtio',
  },
  {
    what: 'it has no <source>',
    remedy: "only a cdrom on bus 'sata', 'scsi' or 'ide' can be empty",
    holds: ({ bus, device, source }) => source === null && (device === 'disk' || bus === 'usb'),
  },
  {
    what: 'such a disk cannot be read-only',
    remedy: "use bus='virtio' or bus='scsi'",
    holds: (disk) => onDriveBus(disk) && disk.device === 'disk' && disk.readonly,
  },
  {
    what: 'this machine type has no IDE',
    remedy: "use bus='sata'",
    holds: ({ bus }, { os }) => bus === 'ide' && machineFamily(os.machine) !== 'pc',
  },
];
