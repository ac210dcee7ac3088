/** Rules on what a disk tells the guest of itself, and how fast it may be. */
import type { Disk } from '../domain/devices.ts';
import type { ThrottleLimit } from '../domain/disk-hardware.ts';
import { isPlainVirtio } from '../domain/virtio.ts';
import type { Told } from './rule.ts';

/** Every rule such a disk breaks. */
export function brokenHardware(disk: Disk): readonly (Told | null)[] {
  const rules = [brokenMaker, brokenMechanics, brokenGeometry, brokenSizes, brokenVirtio, brokenImage];
  return [...rules.map((rule) => rule(disk)), ...brokenThrottle(disk)];
}

function brokenMaker({ bus, hardware }: Disk): Told | null {
  const { wwn, vendor, product } = hardware;
  if (bus !== 'scsi' && (vendor !== null || product !== null))
    return [`a disk on a ${bus} bus has no vendor and no product`, "remove them, or write bus='scsi'"];
  const hasNone = wwn !== null && !['scsi', 'ide', 'sata'].includes(bus);
  return hasNone ? [`a disk on a ${bus} bus has no wwn`, "remove it, or write bus='scsi'"] : null;
}

/** Whether it is a disk of the kinds that turn. */
function isTurning({ bus, device }: Disk): boolean {
  return device === 'disk' && ['scsi', 'ide', 'sata'].includes(bus);
}

function brokenMechanics(disk: Disk): Told | null {
  const { rotationRate, removable } = disk.hardware;
  if (rotationRate !== null && !isTurning(disk))
    return ['only a disk on a scsi, ide or sata bus has a rotation rate', 'remove the attribute rotation_rate'];
  const mayGo = disk.device === 'disk' && (disk.bus === 'usb' || disk.bus === 'scsi');
  return removable !== null && !mayGo
    ? ['only a disk on a usb or scsi bus can be removable', 'remove the attribute removable']
    : null;
}

function brokenGeometry(disk: Disk): Told | null {
  const { bus, device, hardware } = disk;
  if (hardware.geometry === null) return null;
  const hasShape = isTurning(disk) || (bus === 'virtio' && device === 'disk');
  if (!hasShape) return [`a ${device} on a ${bus} bus has no geometry`, 'remove it'];
  return hardware.geometry.translation !== null && bus !== 'ide'
    ? ['only a disk on an ide bus has a translation', 'remove the attribute trans']
    : null;
}

function brokenSizes({ bus, hardware }: Disk): Told | null {
  const { logicalBlockBytes: logical, physicalBlockBytes: physical } = hardware;
  const isOdd = [logical, physical].some((size) => size !== null && (size < 512 || (size & (size - 1)) !== 0));
  if (isOdd) return ['the size of a block is a power of two from 512 on', 'write for example 512 or 4096'];
  if ((logical ?? 512) > (physical ?? logical ?? 512))
    return ['a logical block is larger than a physical one', 'add a physical_block_size at least as large'];
  return (bus === 'ide' || bus === 'sata') && logical !== null && logical !== 512
    ? [`a disk on a ${bus} bus has logical blocks of 512 bytes`, "write bus='scsi' or bus='virtio'"]
    : null;
}

function brokenVirtio({ bus, driver, model, virtio, acpiIndex }: Disk): Told | null {
  const { queueSize, ioeventfd, eventIdx } = driver;
  const isTold = [queueSize, ioeventfd, eventIdx, acpiIndex].some((each) => each !== null) || model !== 'virtio';
  if (bus !== 'virtio' && (isTold || !isPlainVirtio(virtio)))
    return [`a disk on a ${bus} bus is no virtio device`, "remove what is said of virtio, or write bus='virtio'"];
  return queueSize !== null && (queueSize & (queueSize - 1)) !== 0
    ? ['the size of a queue is a power of two', 'write for example 256']
    : null;
}

function brokenImage({ device, driver, readonly, format }: Disk): Told | null {
  if (driver.copyOnRead === true && (readonly || device !== 'disk'))
    return ['what is read is copied into an image that can be written', 'remove the attribute copy_on_read'];
  return driver.discardNoUnref !== null && format !== 'qcow2'
    ? ['only a qcow2 image keeps the place of what is discarded', 'remove the attribute discard_no_unref']
    : null;
}

const kinds = ['bytes_sec', 'iops_sec'] as const;

/** QEMU's own rules, and that of libvirt's for disks without a medium. */
function brokenThrottle({ throttle, source }: Disk): (Told | null)[] {
  if (throttle === null) return [];
  const { limits } = throttle;
  const has = (word: string): boolean => (limits[word as ThrottleLimit] ?? 0) > 0;
  const torn = kinds.some((kind) =>
    ['', '_max'].some((end) => has(`total_${kind}${end}`) && (has(`read_${kind}${end}`) || has(`write_${kind}${end}`))),
  );
  const words = Object.keys(limits);
  const bases = words.flatMap((word) => {
    if (word.endsWith('_max')) return [word.slice(0, -'_max'.length)];
    return word.endsWith('_max_length') ? [word.slice(0, -'_length'.length)] : [];
  });
  const base = bases.find((each) => !has(each));
  return [
    source === null ? ['an empty drive has no limits', 'remove <iotune>'] : null,
    torn ? ['a total limit cannot be had together with one for reads or writes', 'keep one of the two'] : null,
    base === undefined ? null : [`a burst is told without its limit <${base}>`, `add <${base}>`],
  ];
}
