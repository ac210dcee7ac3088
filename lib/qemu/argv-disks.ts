/**
 * Disks as QEMU's arguments: a chain of block nodes and a device on it. Pure. Owns node names, and ids by which the
 * disk is known later: `virtio-disk0`, `scsi0-0-0-1`, `sata0-0-1`, `ide0-0-1`, `usb-disk0`, `fdc0-0-1`.
 */
import { aliasOf } from '../domain/aliases.ts';
import type { Domain } from '../domain/definition.ts';
import type { Disk } from '../domain/devices.ts';
import { imageCount, nodesOf } from './argv-blockdev.ts';
import { hardwareProperties } from './argv-disk-hardware.ts';
import type { BootOrder } from './argv-boot.ts';
import { iothreadName } from './argv-iothreads.ts';
import { onBoard, scsiModel } from './argv-controllers.ts';
import { scsiPlace } from './argv-scsi.ts';
import { floppyController, floppyDrive } from './argv-floppies.ts';
import { type UsbPlaces, usbPlaces } from './argv-usb.ts';
import { virtioDriver, virtioProperties } from './argv-virtio.ts';
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
  const drives = disks.flatMap((disk, index) => {
    refuseImpossible(disk, domain);
    const { nodes, top } = nodesOf(disk, numberOf(disks, index));
    const order = disk.bus === 'fdc' ? null : (boot.get(disk) ?? null);
    const settings = {
      id: diskId(disk, domain),
      ...given('drive', top),
      ...given('bootindex', order),
      ...common(disk),
    };
    return [...nodes.flatMap((node) => json('-blockdev', node)), ...front(disk, { domain, usb, settings })];
  });
  return [...floppyController(domain, disks, boot), ...drives];
}

/** libvirt numbers images from the last disk on, and those behind one after it. */
function numberOf(disks: readonly Disk[], index: number): number {
  return 1 + disks.slice(index + 1).reduce((sum, disk) => sum + imageCount(disk), 0);
}

/** Id of the disk's device, by which it is known to QMP: as the definition calls it, else libvirt's. */
export function diskId(disk: Disk, domain: Domain): string {
  return aliasOf(domain.aliases, 'disk', domain.disks.indexOf(disk)) ?? usualId(disk, domain);
}

function usualId(disk: Disk, domain: Domain): string {
  const drive = driveOf(disk);
  if (drive === null) return `${disk.bus}-disk${targetIndex(disk.target)}`;
  const { controller, bus, target, unit } = drive;
  const hasTargets = disk.bus === 'scsi' && scsiModel(domain, controller) !== 'lsilogic';
  return `${disk.bus}${controller}-${bus}-${hasTargets ? `${target}-` : ''}${unit}`;
}

/** Path of what QEMU's block layer serves, for commands about it: some devices are made of several. */
export function diskBackend(disk: Disk, domain: Domain): string {
  const id = diskId(disk, domain);
  if (disk.bus === 'virtio') return `/machine/peripheral/${id}/virtio-backend`;
  return disk.bus === 'usb' ? `/machine/peripheral/${id}/${id}.0/legacy[0]` : id;
}

interface Surroundings {
  readonly domain: Domain;
  readonly usb: UsbPlaces;
  /** Properties that a disk on any bus has. */
  readonly settings: { readonly id: string };
}

/** What the guest sees. */
function front(disk: Disk, around: Surroundings): Part[] {
  const { settings, usb } = around;
  const drive = driveOf(disk);
  if (disk.bus === 'fdc' && drive !== null) return floppyDrive(drive, settings);
  if (drive !== null) return device(behindController(disk, drive, around));
  if (disk.bus === 'usb') return device({ driver: 'usb-storage', ...usb.get(disk), ...settings });
  const driver = virtioDriver('virtio-blk-pci', disk.model);
  const properties = {
    driver,
    ...queueing(disk.driver),
    ...virtioProperties(disk.virtio),
    ...given('acpi-index', disk.acpiIndex),
  };
  return [pciDevice('disk', disk.address, { ...properties, ...settings })];
}

function queueing({ queues, queueSize, ioeventfd, eventIdx, iothread }: Disk['driver']): object {
  return {
    ...given('iothread', iothread && iothreadName(iothread)),
    ...given('num-queues', queues),
    ...given('queue-size', queueSize),
    ...given('ioeventfd', ioeventfd),
    ...given('event_idx', eventIdx),
  };
}

function behindController(disk: Disk, drive: Drive, { domain, settings }: Surroundings): object {
  const { controller, bus, unit } = drive;
  const kind = disk.device === 'cdrom' ? 'cd' : 'hd';
  if (disk.bus === 'scsi') return { driver: `scsi-${kind}`, ...onScsi(disk, drive, settings.id, domain), ...settings };
  const driver = `ide-${kind}`;
  if (disk.bus === 'ide') return { driver, bus: `ide.${bus}`, unit, ...settings };
  const board = onBoard('sata', controller, machineFamily(domain.os.machine));
  return { driver, bus: `${board ? 'ide' : `sata${controller}`}.${unit}`, ...settings };
}

/** `device_id` is what guests make /dev/disk/by-id of. */
function onScsi({ serial }: Disk, drive: Drive, id: string, domain: Domain): object {
  const place = scsiPlace(scsiModel(domain, drive.controller), { ...drive, bus: 0 });
  return { ...place, device_id: serial ?? `drive-${id}` };
}

function common(disk: Disk): object {
  const { driver, shareable, serial } = disk;
  const writeCache = driver.cache === null ? null : onOff(!['writethrough', 'directsync'].includes(driver.cache));
  const share = shareable ? { 'share-rw': true } : {};
  return {
    ...share,
    ...given('serial', serial),
    ...hardwareProperties(disk),
    ...given('write-cache', writeCache),
    ...errorPolicies(driver),
  };
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
    remedy: "only a floppy, or a cdrom on bus 'sata', 'scsi' or 'ide', can be empty",
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
