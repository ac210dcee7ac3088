/** Where SCSI devices of the host sit behind the guest's controllers. Pure. Owns which places are given to those without. */
import type { Domain } from '../domain/definition.ts';
import type { Disk } from '../domain/devices.ts';
import type { ScsiHostdev } from '../domain/hostdev.ts';
import { type Drive, driveOf } from './drive-address.ts';

/** As many as the narrowest controller has beside itself. */
const unitsOfAController = 7;

/** A place for each: its own, or the lowest that no disk and no other has. */
export function scsiPlaces({ disks, hostdevs }: Pick<Domain, 'disks' | 'hostdevs'>): Map<ScsiHostdev, Drive> {
  const own = hostdevs.filter((one) => one.type === 'scsi');
  const places = new Map<ScsiHostdev, Drive>();
  for (const one of own) if (one.address?.type === 'drive') places.set(one, one.address);
  const taken = new Set([...disks.filter(isScsi).map(driveOf), ...places.values()].map(nameOf));
  for (const one of own) {
    if (places.has(one)) continue;
    const place = lowestFree(taken);
    places.set(one, place);
    taken.add(nameOf(place));
  }
  return places;
}

function isScsi({ bus }: Disk): boolean {
  return bus === 'scsi';
}

function nameOf(drive: Drive | null): string {
  return drive === null ? '' : [drive.controller, drive.bus, drive.target, drive.unit].join(':');
}

function lowestFree(taken: ReadonlySet<string>): Drive {
  for (let index = 0; ; index += 1) {
    const place = { controller: Math.floor(index / unitsOfAController), bus: 0, target: 0 };
    const drive = { ...place, unit: index % unitsOfAController };
    if (!taken.has(nameOf(drive))) return drive;
  }
}
