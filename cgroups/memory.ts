/**
 * What a cgroup's memory is charged with, read the same way on both hierarchies.
 * held = what a new start could not have: charges minus page cache the kernel can drop (swap and huge pages included).
 */
import { availableParallelism } from 'node:os';
import { known, type Reading, unknown } from '../lib/reading.ts';
import { isErrno, messageOf } from '../lib/errors.ts';
import { listCgroup, readCgroupFile, writeCgroupFile } from './files.ts';
import { parseCount, parseFlatKeyed, requireKey } from './parse.ts';

/** All figures are bytes. */
export interface MemoryCharge {
  /** Charged and not reclaimable: what counts against the host until it is given back. */
  readonly heldBytes: number;
  /** Clean or dirty file pages and slab the kernel can drop; goes with `reclaim`. */
  readonly reclaimableBytes: number;
  readonly anonBytes: number;
  /** memfd, tmpfs and other shared memory. */
  readonly sharedBytes: number;
  readonly hugetlbBytes: number;
  /** The same by page size as the kernel writes it, e.g. `2MB`; only sizes that are charged. */
  readonly hugetlbBySize: Readonly<Record<string, number>>;
  readonly swapBytes: number;
  /** What is held and is none of the above: page tables, stacks, sockets, slab that cannot be dropped. */
  readonly kernelBytes: number;
  /** Processes of this cgroup the OOM killer has killed. */
  readonly oomKills: number;
}

/** The memory side of one cgroup; the unified and the v1 twin differ only in files. */
export interface MemoryFiles {
  read(): MemoryCharge;
  /** Asks the kernel to drop what is reclaimable; harmless when nothing is. May take seconds: never awaited on a queue. */
  reclaim(): Promise<void>;
}

/**
 * Bytes that stay charged to an empty cgroup without belonging to anyone: 1 MiB plus the per-CPU stock of 64 pages
 * (mm/memcontrol.c MEMCG_CHARGE_BATCH).
 */
export function residueFloorBytes(cpus: number = availableParallelism()): number {
  return 1024 * 1024 + cpus * 256 * 1024;
}

/** `read` as a reading: any failure is unknown with its reason, never zero. */
export function memoryReading(files: MemoryFiles): Reading<MemoryCharge> {
  try {
    return known(files.read());
  } catch (error) {
    return unknown(messageOf(error));
  }
}

/** The texts of a cgroup's memory files; null where the kernel has no such file. */
export interface UnifiedTexts {
  readonly stat: string;
  readonly current: string;
  readonly events: string;
  /** Absent without swap support: nothing can be swapped then. */
  readonly swapCurrent: string | null;
  /** By page size of the hugetlb controller. */
  readonly hugetlb: Readonly<Record<string, string>>;
}

/** Pure: what cgroup v2's files say. */
export function unifiedCharge(texts: UnifiedTexts): MemoryCharge {
  const stat = parseFlatKeyed(texts.stat);
  const swapBytes = texts.swapCurrent === null ? 0 : parseCount(texts.swapCurrent);
  const reclaimable =
    requireKey(stat, 'active_file') + requireKey(stat, 'inactive_file') + requireKey(stat, 'slab_reclaimable');
  return sumUp({
    chargedBytes: Math.max(0, parseCount(texts.current) - reclaimable),
    reclaimableBytes: reclaimable,
    anonBytes: requireKey(stat, 'anon'),
    sharedBytes: requireKey(stat, 'shmem'),
    swapBytes,
    hugetlb: texts.hugetlb,
    oomKills: requireKey(parseFlatKeyed(texts.events), 'oom_kill'),
  });
}

/** `chargedBytes`: of memory, without what can be dropped, swap and huge pages. */
function sumUp(
  parts: Omit<MemoryCharge, 'heldBytes' | 'kernelBytes' | 'hugetlbBytes' | 'hugetlbBySize'> & {
    chargedBytes: number;
    hugetlb: Readonly<Record<string, string>>;
  },
): MemoryCharge {
  const { chargedBytes, hugetlb, ...rest } = parts;
  const sizes = Object.entries(hugetlb).map(([size, text]) => [size, parseCount(text)] as const);
  const hugetlbBytes = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
  return {
    ...rest,
    heldBytes: chargedBytes + parts.swapBytes + hugetlbBytes,
    hugetlbBytes,
    hugetlbBySize: Object.fromEntries(sizes.filter(([, bytes]) => bytes > 0)),
    kernelBytes: Math.max(0, chargedBytes - parts.anonBytes - parts.sharedBytes),
  };
}

/** The texts of a v1 memory directory; huge pages are the v2 controller's. */
export interface TwinTexts {
  readonly stat: string;
  readonly usage: string;
  readonly oomControl: string;
  readonly hugetlb: Readonly<Record<string, string>>;
}

/** Pure: what the v1 twin's files say; `total_swap` is there only with swap accounting. Kernel memory of page cache is in usage, and goes with the cache. */
export function twinCharge(texts: TwinTexts): MemoryCharge {
  const stat = parseFlatKeyed(texts.stat);
  const reclaimable = requireKey(stat, 'total_active_file') + requireKey(stat, 'total_inactive_file');
  return sumUp({
    chargedBytes: Math.max(0, parseCount(texts.usage) - reclaimable),
    reclaimableBytes: reclaimable,
    anonBytes: requireKey(stat, 'total_rss'),
    sharedBytes: requireKey(stat, 'total_shmem'),
    swapBytes: stat.get('total_swap') ?? 0,
    hugetlb: texts.hugetlb,
    oomKills: requireKey(parseFlatKeyed(texts.oomControl), 'oom_kill'),
  });
}

/** cgroup v2's own memory files. */
export function unifiedMemory(directory: string): MemoryFiles {
  const hugetlb = new HugetlbFiles(directory);
  return {
    read: () =>
      unifiedCharge({
        stat: readCgroupFile(`${directory}/memory.stat`),
        current: readCgroupFile(`${directory}/memory.current`),
        events: readCgroupFile(`${directory}/memory.events`),
        swapCurrent: readUnlessAbsent(`${directory}/memory.swap.current`),
        hugetlb: hugetlb.read(),
      }),
    async reclaim() {
      const { reclaimableBytes } = this.read();
      if (reclaimableBytes === 0) return;
      // EAGAIN: less could be reclaimed than asked for, e.g. dirty pages. The next reading tells what is left.
      await ignoring('EAGAIN', writeCgroupFile(`${directory}/memory.reclaim`, String(reclaimableBytes)));
    },
  };
}

/** The v1 twin of a hybrid host; huge pages are still the v2 controller's, in `unifiedDirectory`. Limits are never written. */
export function twinMemory(directory: string, unifiedDirectory: string): MemoryFiles {
  const hugetlb = new HugetlbFiles(unifiedDirectory);
  return {
    read: () =>
      twinCharge({
        stat: readCgroupFile(`${directory}/memory.stat`),
        usage: readCgroupFile(`${directory}/memory.usage_in_bytes`),
        oomControl: readCgroupFile(`${directory}/memory.oom_control`),
        hugetlb: hugetlb.read(),
      }),
    async reclaim() {
      // EBUSY: a process is still inside; the caller comes again when it is not.
      await ignoring('EBUSY', writeCgroupFile(`${directory}/memory.force_empty`, '0'));
    },
  };
}

/** By page size, e.g. `2MB`; none: the controller is not enabled here. Which files there are is looked up once, and when one is gone. */
class HugetlbFiles {
  readonly #directory: string;
  #sizes: readonly string[] | null = null;

  constructor(directory: string) {
    this.#directory = directory;
  }

  read(): Record<string, string> {
    const sizes = this.#sizes ?? this.#list();
    this.#sizes = null;
    const texts = sizes.map((size) => [size, readCgroupFile(`${this.#directory}/hugetlb.${size}.current`)] as const);
    this.#sizes = sizes;
    return Object.fromEntries(texts);
  }

  #list(): readonly string[] {
    return listCgroup(this.#directory).files.flatMap((name) => /^hugetlb\.([^.]+)\.current$/.exec(name)?.[1] ?? []);
  }
}

function readUnlessAbsent(path: string): string | null {
  try {
    return readCgroupFile(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

async function ignoring(code: string, work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!isErrno(error, code)) throw error;
  });
}
