/** What a disk tells the guest of itself, and how fast it may be. Pure data. */

/** null: not told. */
export interface DiskHardware {
  /** World wide name, 16 hexadecimal digits. */
  readonly wwn: string | null;
  readonly vendor: string | null;
  readonly product: string | null;
  /** Turns per minute; 1: a solid-state disk. */
  readonly rotationRate: number | null;
  /** Whether the medium can be taken out while the guest runs. */
  readonly removable: boolean | null;
  readonly geometry: DiskGeometry | null;
  /** Bytes. */
  readonly logicalBlockBytes: number | null;
  readonly physicalBlockBytes: number | null;
  readonly discardGranularityBytes: number | null;
}

export interface DiskGeometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectors: number;
  /** How the BIOS shows it. */
  readonly translation: 'none' | 'lba' | 'auto' | null;
}

/** Nothing told. */
export const plainHardware: DiskHardware = {
  wwn: null,
  vendor: null,
  product: null,
  rotationRate: null,
  removable: null,
  geometry: null,
  logicalBlockBytes: null,
  physicalBlockBytes: null,
  discardGranularityBytes: null,
};

/** Words of `<iotune>`: limits per second, their bursts (`_max`) and how long those may last, in seconds. */
export const throttleWords = [
  'total_bytes_sec',
  'read_bytes_sec',
  'write_bytes_sec',
  'total_iops_sec',
  'read_iops_sec',
  'write_iops_sec',
  'total_bytes_sec_max',
  'read_bytes_sec_max',
  'write_bytes_sec_max',
  'total_iops_sec_max',
  'read_iops_sec_max',
  'write_iops_sec_max',
  'size_iops_sec',
  'group_name',
  'total_bytes_sec_max_length',
  'read_bytes_sec_max_length',
  'write_bytes_sec_max_length',
  'total_iops_sec_max_length',
  'read_iops_sec_max_length',
  'write_iops_sec_max_length',
] as const;

/** One of the words that is a number. */
export type ThrottleLimit = Exclude<(typeof throttleWords)[number], 'group_name'>;

/** Limits QEMU holds a disk to, those that are told. Disks of one group share theirs. */
export interface DiskThrottle {
  readonly limits: Partial<Readonly<Record<ThrottleLimit, number>>>;
  readonly group: string | null;
}
