/** Lines of the table: what a disk tells the guest of itself, and how fast it may be. */
import { integer, wholeNumber } from './numbers.ts';
import { holder, missing, part, required, value } from './property.ts';
import { flag, supported } from './values.ts';
import { groupName, vendorName, worldWideName } from './values-disks.ts';

const limit = value(integer(0, Number.MAX_SAFE_INTEGER));
const seconds = value(wholeNumber(1, 999_999_999));
const size = value(wholeNumber(0, 2 ** 21));
const edge = required(value(wholeNumber(1, 65_535)));

/** To be continued from a `<disk>`. */
export const diskHardware = {
  '/target/@rotation_rate': value(wholeNumber(1, 65_534)),
  '/target/@removable': value(flag('on', 'off')),
  '/wwn': value(worldWideName),
  '/vendor': value(vendorName(8)),
  '/product': value(vendorName(16)),
  '/geometry': holder,
  '/geometry/@cyls': edge,
  '/geometry/@heads': edge,
  '/geometry/@secs': edge,
  '/geometry/@trans': part(supported('none', 'lba', 'auto')),
  '/blockio': holder,
  '/blockio/@logical_block_size': size,
  '/blockio/@physical_block_size': size,
  '/blockio/@discard_granularity': value(wholeNumber(0, 2 ** 29)),
} as const;

/** To be continued from a `<disk>`. */
export const diskThrottle = {
  '/iotune': holder,
  '/iotune/total_bytes_sec': limit,
  '/iotune/read_bytes_sec': limit,
  '/iotune/write_bytes_sec': limit,
  '/iotune/total_iops_sec': limit,
  '/iotune/read_iops_sec': limit,
  '/iotune/write_iops_sec': limit,
  '/iotune/total_bytes_sec_max': limit,
  '/iotune/read_bytes_sec_max': limit,
  '/iotune/write_bytes_sec_max': limit,
  '/iotune/total_iops_sec_max': limit,
  '/iotune/read_iops_sec_max': limit,
  '/iotune/write_iops_sec_max': limit,
  '/iotune/size_iops_sec': limit,
  '/iotune/group_name': value(groupName),
  '/iotune/total_bytes_sec_max_length': seconds,
  '/iotune/read_bytes_sec_max_length': seconds,
  '/iotune/write_bytes_sec_max_length': seconds,
  '/iotune/total_iops_sec_max_length': seconds,
  '/iotune/read_iops_sec_max_length': seconds,
  '/iotune/write_iops_sec_max_length': seconds,
  '/throttlefilters': missing('remove it; limits of the disk itself are in <iotune>'),
} as const;
