/** Where a disk sits behind its controller. Pure. Owns libvirt's rule from a target's name to an address. */
import type { Disk } from '../domain/devices.ts';
import { impossible } from './arguments.ts';

/** Place of a disk: `unit` is the SCSI lun, the AHCI port, or which of the two on an IDE cable. */
export interface Drive {
  readonly controller: number;
  readonly bus: number;
  readonly target: number;
  readonly unit: number;
}

/** How many disks one controller takes, for those without an address. */
const capacity = { scsi: 7, sata: 6, ide: 4, fdc: 2 } as const;

/** Number of a target by its letters: vda 0, sdb 1, vdz 25, vdaa 26. Throws INVALID_XML for other names. */
export function targetIndex(target: string): number {
  const letters = /^(?:[hsv]d|xvd|ubd|fd)([a-z]+)\d*$/.exec(target)?.[1];
  if (letters === undefined)
    throw impossible(`disk target '${target}' is no device name`, "name it like 'vda' or 'sdb'");
  return [...letters].reduce((index, letter) => (index + 1) * 26 + letter.charCodeAt(0) - 97, -1);
}

/** The disk's own address, or the one its name gives; null for a bus whose disks are on no controller of theirs. */
export function driveOf(disk: Disk): Drive | null {
  const { address, bus, target } = disk;
  if (bus === 'virtio' || bus === 'usb') return null;
  if (address?.type === 'drive') return address;
  const index = targetIndex(target);
  const [controller, rest] = [Math.floor(index / capacity[bus]), index % capacity[bus]];
  if (bus === 'ide') return { controller, bus: Math.floor(rest / 2), target: 0, unit: rest % 2 };
  return { controller, bus: 0, target: 0, unit: rest };
}
