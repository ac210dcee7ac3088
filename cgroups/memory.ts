/**
 * What a cgroup's memory is charged with, read the same way on both hierarchies.
 * held = what a new start could not have: charges minus page cache the kernel can drop (swap and huge pages included).
 */
import { availableParallelism } from 'node:os';
import { known, type Reading, unknown } from '../lib/reading.ts';
import { isErrno } from '../lib/errors.ts';
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
    return unknown(error instanceof Error ? error.message : String(error));
  }
}

/** cgroup v2: memory.current, memory.swap.current, memory.stat, memory.events, hugetlb.*.current. */
export function unifiedMemory(directory: string): MemoryFiles {
  return {
    read() {
      const stat = parseFlatKeyed(readCgroupFile(`${directory}/memory.stat`));
      const current = parseCount(readCgroupFile(`${directory}/memory.current`));
      const events = parseFlatKeyed(readCgroupFile(`${directory}/memory.events`));
      const hugetlbBytes = readHugetlb(directory);
      const reclaimable =
        requireKey(stat, 'active_file') + requireKey(stat, 'inactive_file') + requireKey(stat, 'slab_reclaimable');
      return {
        heldBytes: Math.max(0, current - reclaimable) + readSwap(directory) + hugetlbBytes,
        reclaimableBytes: reclaimable,
        anonBytes: requireKey(stat, 'anon'),
        sharedBytes: requireKey(stat, 'shmem'),
        hugetlbBytes,
        oomKills: requireKey(events, 'oom_kill'),
      };
    },
    async reclaim() {
      const { reclaimableBytes } = this.read();
      // EAGAIN: less could be reclaimed than asked for, e.g. dirty pages. The next reading tells what is left.
      if (reclaimableBytes > 0)
        await ignoring('EAGAIN', writeCgroupFile(`${directory}/memory.reclaim`, String(reclaimableBytes)));
    },
  };
}

/** The v1 twin of a hybrid host; huge pages are still the v2 controller's, in `unifiedDirectory`. Limits are never written. */
export function twinMemory(directory: string, unifiedDirectory: string): MemoryFiles {
  return {
    read() {
      const stat = parseFlatKeyed(readCgroupFile(`${directory}/memory.stat`));
      const usage = parseCount(readCgroupFile(`${directory}/memory.usage_in_bytes`));
      const oom = parseFlatKeyed(readCgroupFile(`${directory}/memory.oom_control`));
      const hugetlbBytes = readHugetlb(unifiedDirectory);
      const reclaimable = requireKey(stat, 'total_active_file') + requireKey(stat, 'total_inactive_file');
      return {
        heldBytes: Math.max(0, usage - reclaimable) + hugetlbBytes,
        reclaimableBytes: reclaimable,
        anonBytes: requireKey(stat, 'total_rss'),
        sharedBytes: requireKey(stat, 'total_shmem'),
        hugetlbBytes,
        oomKills: requireKey(oom, 'oom_kill'),
      };
    },
    async reclaim() {
      // EBUSY: a process is still inside; the caller comes again when it is not.
      await ignoring('EBUSY', writeCgroupFile(`${directory}/memory.force_empty`, '0'));
    },
  };
}

/** Sum over the page sizes the hugetlb controller shows here; no such file means the controller is not enabled. */
function readHugetlb(directory: string): number {
  return listCgroup(directory)
    .files.filter((name) => /^hugetlb\.[^.]+\.current$/.test(name))
    .reduce((sum, name) => sum + parseCount(readCgroupFile(`${directory}/${name}`)), 0);
}

/** memory.swap.current is absent where the kernel has no swap support: nothing can be swapped then. */
function readSwap(directory: string): number {
  try {
    return parseCount(readCgroupFile(`${directory}/memory.swap.current`));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}

async function ignoring(code: string, work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!isErrno(error, code)) throw error;
  });
}
