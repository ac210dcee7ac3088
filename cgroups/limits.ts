/**
 * Limits as pure data: what is wanted of a cgroup -> which text goes into which of its files. Knows nothing of VMs.
 * Sources: Documentation/admin-guide/cgroup-v2.rst; block/bfq-cgroup.c for the range of io.bfq.weight.
 */

/** A share of CPU time: `quotaUs` of each `periodUs`; quota null: all of it. */
export interface CpuBandwidth {
  readonly periodUs: number;
  readonly quotaUs: number | null;
}

/** One block device, by its number; null: not limited. */
export interface DeviceLimits {
  /** `MAJOR:MINOR` of a whole disk. */
  readonly device: string;
  /** 1 to 10000. */
  readonly weight: number | null;
  readonly readBytesPerSecond: number | null;
  readonly writeBytesPerSecond: number | null;
  readonly readOperationsPerSecond: number | null;
  readonly writeOperationsPerSecond: number | null;
}

/** What one cgroup shall be held to. Sizes are bytes; what is absent or null is not limited. */
export interface Limits {
  readonly memoryMax?: number | null;
  readonly memoryHigh?: number | null;
  /** Swap alone. */
  readonly swapMax?: number | null;
  /** 1 to 10000. */
  readonly cpuWeight?: number | null;
  readonly cpuMax?: CpuBandwidth | null;
  /** CPU numbers. */
  readonly cpus?: readonly number[] | null;
  /** 1 to 10000. */
  readonly ioWeight?: number | null;
  readonly ioDevices?: readonly DeviceLimits[];
  /** Bytes that may be reserved in huge pages, by the bytes of one. */
  readonly hugePages?: ReadonlyMap<number, number>;
}

export type Controller = 'memory' | 'cpu' | 'cpuset' | 'io' | 'hugetlb';

/** One limit as texts for files. Every file that is there is written; none being there means that the kernel cannot. */
export interface Limit {
  readonly name: keyof Limits;
  readonly controller: Controller;
  readonly writes: readonly Write[];
}

export interface Write {
  readonly file: string;
  readonly text: string;
}

/** The limits that are wanted, as texts. */
export function limitTexts(limits: Limits): Limit[] {
  return [
    ...one('memoryMax', 'memory', 'memory.max', limits.memoryMax, String),
    ...one('memoryHigh', 'memory', 'memory.high', limits.memoryHigh, String),
    ...one('swapMax', 'memory', 'memory.swap.max', limits.swapMax, String),
    ...one('cpuWeight', 'cpu', 'cpu.weight', limits.cpuWeight, String),
    ...one('cpuMax', 'cpu', 'cpu.max', limits.cpuMax, bandwidth),
    ...one('cpus', 'cpuset', 'cpuset.cpus', limits.cpus, (cpus) => cpus.join(',')),
    ...weight('ioWeight', 'default', limits.ioWeight),
    ...(limits.ioDevices ?? []).flatMap(deviceLimits),
    ...Array.from(limits.hugePages ?? [], ([pageBytes, bytes]) => reservation(pageBytes, bytes)),
  ];
}

/** Past `max` a page that is touched is a SIGBUS, past `rsvd.max` the reservation an ENOMEM, while there is still time. */
function reservation(pageBytes: number, bytes: number): Limit {
  const writes = [{ file: `hugetlb.${pageSize(pageBytes)}.rsvd.max`, text: String(bytes) }];
  return { name: 'hugePages', controller: 'hugetlb', writes };
}

/** As the kernel writes it (mm/hugetlb_cgroup.c, mem_fmt). */
function pageSize(bytes: number): string {
  const mib = bytes / 2 ** 20;
  if (mib >= 1024) return `${mib / 1024}GB`;
  return mib >= 1 ? `${mib}MB` : `${bytes / 1024}KB`;
}

/** No bandwidth limit, so that an end is not slowed down by one. */
export const unthrottled: Limits = { cpuMax: { periodUs: 100_000, quotaUs: null } };

function one<Value>(
  name: keyof Limits,
  controller: Controller,
  file: string,
  value: Value | null | undefined,
  text: (value: Value) => string,
): Limit[] {
  if (value === null || value === undefined) return [];
  return [{ name, controller, writes: [{ file, text: text(value) }] }];
}

function bandwidth({ quotaUs, periodUs }: CpuBandwidth): string {
  return `${quotaUs ?? 'max'} ${periodUs}`;
}

const largestBfqWeight = 1000;

/** Which file counts is a matter of each disk's scheduler: io.weight of iocost, io.bfq.weight of bfq. */
function weight(name: 'ioWeight' | 'ioDevices', whose: string, value: number | null | undefined): Limit[] {
  if (value === null || value === undefined) return [];
  const writes = [
    { file: 'io.weight', text: `${whose} ${value}` },
    { file: 'io.bfq.weight', text: `${whose} ${Math.min(value, largestBfqWeight)}` },
  ];
  return [{ name, controller: 'io', writes }];
}

function deviceLimits(limits: DeviceLimits): Limit[] {
  const rates = [
    ['rbps', limits.readBytesPerSecond],
    ['wbps', limits.writeBytesPerSecond],
    ['riops', limits.readOperationsPerSecond],
    ['wiops', limits.writeOperationsPerSecond],
  ] as const;
  const words = rates.flatMap(([key, rate]) => (rate === null ? [] : [`${key}=${rate}`]));
  const rules = words.length > 0 ? words : null;
  const max = one('ioDevices', 'io', 'io.max', rules, (rules) => [limits.device, ...rules].join(' '));
  return [...max, ...weight('ioDevices', limits.device, limits.weight)];
}
