/** XML -> disks. */
import type { Disk, DiskDriver } from '../domain/devices.ts';
import { readAddress } from './addresses.ts';
import { devicesAt, has, need, valueAt, type Known } from './known.ts';
import { readHardware, readThrottle } from './parse-disk-hardware.ts';
import { readBacking, readSource } from './parse-disk-sources.ts';
import { readDriver } from './virtio-driver.ts';

/** The disks; a cdrom is read-only whether it says so or not, as libvirt has it. */
export function readDisks(domain: Known): Disk[] {
  return devicesAt(domain, '/domain/devices/disk').map(readDisk);
}

function readDisk(disk: Known): Disk {
  const device = valueAt(disk, '/domain/devices/disk/@device') ?? 'disk';
  const target = need(disk, '/domain/devices/disk/target/@dev');
  return {
    device,
    source: readSource(disk, '/domain/devices/disk'),
    format: valueAt(disk, '/domain/devices/disk/driver/@type') ?? 'raw',
    backing: readBacking(disk),
    startupPolicy: valueAt(disk, '/domain/devices/disk/source/@startupPolicy') ?? null,
    target,
    bus: valueAt(disk, '/domain/devices/disk/target/@bus') ?? defaultBus(target),
    readonly: device === 'cdrom' || has(disk, '/domain/devices/disk/readonly'),
    shareable: has(disk, '/domain/devices/disk/shareable'),
    serial: valueAt(disk, '/domain/devices/disk/serial') ?? null,
    model: valueAt(disk, '/domain/devices/disk/@model') ?? 'virtio',
    virtio: readDriver(disk),
    hardware: readHardware(disk),
    acpiIndex: valueAt(disk, '/domain/devices/disk/acpi/@index') ?? null,
    throttle: readThrottle(disk),
    driver: readSettings(disk),
    bootOrder: valueAt(disk, '/domain/devices/disk/boot/@order') ?? null,
    address: readAddress(disk, '/domain/devices/disk'),
  };
}

/** As libvirt has it from the first letters. */
function defaultBus(target: string): Disk['bus'] {
  if (target.startsWith('fd')) return 'fdc';
  if (target.startsWith('hd')) return 'ide';
  return target.startsWith('sd') ? 'scsi' : 'virtio';
}

function readSettings(disk: Known): DiskDriver {
  return {
    cache: valueAt(disk, '/domain/devices/disk/driver/@cache') ?? null,
    io: valueAt(disk, '/domain/devices/disk/driver/@io') ?? null,
    discard: valueAt(disk, '/domain/devices/disk/driver/@discard') ?? null,
    detectZeroes: valueAt(disk, '/domain/devices/disk/driver/@detect_zeroes') ?? null,
    errorPolicy: valueAt(disk, '/domain/devices/disk/driver/@error_policy') ?? null,
    readErrorPolicy: valueAt(disk, '/domain/devices/disk/driver/@rerror_policy') ?? null,
    ...readQueueing(disk),
  };
}

function readQueueing(
  disk: Known,
): Pick<DiskDriver, 'queues' | 'iothread' | 'queueSize' | 'ioeventfd' | 'eventIdx' | 'copyOnRead' | 'discardNoUnref'> {
  return {
    queues: valueAt(disk, '/domain/devices/disk/driver/@queues') ?? null,
    iothread: valueAt(disk, '/domain/devices/disk/driver/@iothread') ?? null,
    queueSize: valueAt(disk, '/domain/devices/disk/driver/@queue_size') ?? null,
    ioeventfd: valueAt(disk, '/domain/devices/disk/driver/@ioeventfd') ?? null,
    eventIdx: valueAt(disk, '/domain/devices/disk/driver/@event_idx') ?? null,
    copyOnRead: valueAt(disk, '/domain/devices/disk/driver/@copy_on_read') ?? null,
    discardNoUnref: valueAt(disk, '/domain/devices/disk/driver/@discard_no_unref') ?? null,
  };
}
