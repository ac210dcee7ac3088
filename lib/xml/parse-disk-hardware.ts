/** XML -> what a disk tells the guest of itself, and how fast it may be. */
import {
  type DiskGeometry,
  type DiskHardware,
  type DiskThrottle,
  type ThrottleLimit,
  throttleWords,
} from '../domain/disk-hardware.ts';
import { has, need, valueAt, type Known } from './known.ts';

const key = '/domain/devices/disk';

/** What stands around in `<disk>` about it. */
export function readHardware(disk: Known): DiskHardware {
  return {
    wwn: valueAt(disk, `${key}/wwn`) ?? null,
    vendor: valueAt(disk, `${key}/vendor`) ?? null,
    product: valueAt(disk, `${key}/product`) ?? null,
    rotationRate: valueAt(disk, `${key}/target/@rotation_rate`) ?? null,
    removable: valueAt(disk, `${key}/target/@removable`) ?? null,
    geometry: readGeometry(disk),
    // 0 says nothing, as with libvirt.
    logicalBlockBytes: valueAt(disk, `${key}/blockio/@logical_block_size`) || null,
    physicalBlockBytes: valueAt(disk, `${key}/blockio/@physical_block_size`) || null,
    discardGranularityBytes: valueAt(disk, `${key}/blockio/@discard_granularity`) ?? null,
  };
}

function readGeometry(disk: Known): DiskGeometry | null {
  if (!has(disk, `${key}/geometry`)) return null;
  return {
    cylinders: need(disk, `${key}/geometry/@cyls`),
    heads: need(disk, `${key}/geometry/@heads`),
    sectors: need(disk, `${key}/geometry/@secs`),
    translation: valueAt(disk, `${key}/geometry/@trans`) ?? null,
  };
}

/** `<iotune>`; a limit of 0 is none, and an element without limits says nothing. */
export function readThrottle(disk: Known): DiskThrottle | null {
  const words = throttleWords.filter((word): word is ThrottleLimit => word !== 'group_name');
  const told = words.map((word) => [word, valueAt(disk, `${key}/iotune/${word}`) ?? 0] as const);
  const limits = Object.fromEntries(told.filter(([, limit]) => limit > 0));
  const group = valueAt(disk, `${key}/iotune/group_name`) ?? null;
  return Object.keys(limits).length === 0 ? null : { limits, group };
}
