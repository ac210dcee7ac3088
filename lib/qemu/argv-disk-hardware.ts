/** What a disk tells the guest of itself, as QEMU's arguments; and its limits, as QMP has them. Pure. */
import type { Disk } from '../domain/devices.ts';
import type { DiskHardware, DiskThrottle, ThrottleLimit } from '../domain/disk-hardware.ts';
import { given } from './arguments.ts';
import { type Capabilities, requireVersion } from './capabilities.ts';

/** Properties of the device. A USB stick is always told whether it is removable. */
export function hardwareProperties({ hardware, bus }: Disk): object {
  const { wwn, vendor, product, rotationRate, removable } = hardware;
  const hasSwitch = bus === 'usb' || removable === true;
  return {
    ...given('wwn', wwn === null ? null : BigInt(`0x${wwn}`)),
    ...given('vendor', vendor),
    ...given('product', product),
    ...given('rotation_rate', rotationRate),
    ...(hasSwitch ? { removable: removable ?? false } : {}),
    ...shape(hardware),
  };
}

/** Throws HOST_LACKS for what a disk says and this emulator does not know. */
export function requireForDisks(disks: readonly Disk[], capabilities: Capabilities): void {
  const keeping = disks.find(({ driver }) => driver.discardNoUnref !== null);
  if (keeping) requireVersion(capabilities, '8.1', `disk '${keeping.target}': <driver discard_no_unref>`);
}

function shape({ geometry, ...sizes }: DiskHardware): object {
  const edges = geometry && { cyls: geometry.cylinders, heads: geometry.heads, secs: geometry.sectors };
  return {
    ...edges,
    ...given('bios-chs-trans', geometry?.translation ?? null),
    ...given('logical_block_size', sizes.logicalBlockBytes),
    ...given('physical_block_size', sizes.physicalBlockBytes),
    ...given('discard_granularity', sizes.discardGranularityBytes),
  };
}

const names: Readonly<Record<ThrottleLimit, string>> = {
  total_bytes_sec: 'bps',
  read_bytes_sec: 'bps_rd',
  write_bytes_sec: 'bps_wr',
  total_iops_sec: 'iops',
  read_iops_sec: 'iops_rd',
  write_iops_sec: 'iops_wr',
  total_bytes_sec_max: 'bps_max',
  read_bytes_sec_max: 'bps_rd_max',
  write_bytes_sec_max: 'bps_wr_max',
  total_iops_sec_max: 'iops_max',
  read_iops_sec_max: 'iops_rd_max',
  write_iops_sec_max: 'iops_wr_max',
  size_iops_sec: 'iops_size',
  total_bytes_sec_max_length: 'bps_max_length',
  read_bytes_sec_max_length: 'bps_rd_max_length',
  write_bytes_sec_max_length: 'bps_wr_max_length',
  total_iops_sec_max_length: 'iops_max_length',
  read_iops_sec_max_length: 'iops_rd_max_length',
  write_iops_sec_max_length: 'iops_wr_max_length',
};

/** The command wants these six, told or not. */
const unlimited = { bps: 0, bps_rd: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 };

/** Arguments of `block_set_io_throttle` for what is at `id`, a path of `diskBackend`. */
export function throttleArguments(id: string, { limits, group }: DiskThrottle): Record<string, string | number> {
  const told = Object.entries(limits).map(([word, limit]) => [names[word as ThrottleLimit], limit]);
  return { id, ...unlimited, ...(Object.fromEntries(told) as Record<string, number>), ...given('group', group) };
}
