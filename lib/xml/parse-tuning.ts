/** XML -> how much of the host a domain may have: CPUs, memory and its limits, shares. */
import type {
  Bandwidth,
  Blkiotune,
  BlkioDevice,
  Cputune,
  Domain,
  MemoryBacking,
  Memtune,
} from '../domain/definition.ts';
import { findAll, has, need, valueAt, type Known } from './known.ts';
import { pageSize, sizeAt } from './memory.ts';
import { listCpus } from './numbers.ts';
import { readIoThreadPins, readIoThreads } from './parse-iothreads.ts';
import { readNumatune } from './parse-numa.ts';

type Tuning = Pick<
  Domain,
  'vcpus' | 'currentVcpus' | 'iothreads' | 'memoryBacking' | 'memtune' | 'cputune' | 'blkiotune' | 'numatune'
>;

/** Everything `properties-tuning.ts` has, but memory itself. */
export function readTuning(domain: Known): Tuning {
  const vcpus = valueAt(domain, '/domain/vcpu') ?? 1;
  return {
    vcpus,
    currentVcpus: valueAt(domain, '/domain/vcpu/@current') ?? vcpus,
    iothreads: readIoThreads(domain),
    memoryBacking: readMemoryBacking(domain),
    memtune: readMemtune(domain),
    cputune: readCputune(domain),
    blkiotune: readBlkiotune(domain),
    numatune: readNumatune(domain),
  };
}

function readMemoryBacking(domain: Known): MemoryBacking {
  return {
    source: valueAt(domain, '/domain/memoryBacking/source/@type') ?? 'anonymous',
    access: valueAt(domain, '/domain/memoryBacking/access/@mode') ?? 'private',
    allocation: valueAt(domain, '/domain/memoryBacking/allocation/@mode') ?? 'ondemand',
    allocationThreads: valueAt(domain, '/domain/memoryBacking/allocation/@threads') ?? null,
    ...readHugePages(domain),
    discard: has(domain, '/domain/memoryBacking/discard'),
    locked: has(domain, '/domain/memoryBacking/locked'),
    mergePages: !has(domain, '/domain/memoryBacking/nosharepages'),
  };
}

/** A size without a nodeset is that of every node that has none of its own; a nodeset alone leaves the others ordinary pages. */
function readHugePages(domain: Known): Pick<MemoryBacking, 'hugepages' | 'nodePages'> {
  const pages = findAll(domain, '/domain/memoryBacking/hugepages', '/domain/memoryBacking/hugepages/page');
  const sizes = pages.map((page) => ({
    cells: valueAt(page, '/domain/memoryBacking/hugepages/page/@nodeset'),
    pageBytes: pageSize(page) ?? 0,
  }));
  const general = sizes.find(({ cells }) => cells === undefined);
  const isAny = has(domain, '/domain/memoryBacking/hugepages') && (general !== undefined || pages.length === 0);
  return {
    hugepages: isAny ? { pageBytes: general?.pageBytes ?? null } : null,
    nodePages: sizes.flatMap(({ cells, pageBytes }) =>
      cells === undefined ? [] : [{ cells: listCpus(cells), pageBytes }],
    ),
  };
}

/** What no safe integer holds is libvirt's way to say "unlimited". */
function readMemtune(domain: Known): Memtune {
  return {
    hardLimitBytes: sizeAt(domain, '/domain/memtune/hard_limit') ?? null,
    softLimitBytes: sizeAt(domain, '/domain/memtune/soft_limit') ?? null,
    swapHardLimitBytes: sizeAt(domain, '/domain/memtune/swap_hard_limit') ?? null,
  };
}

/** Most pins that are read: each may name thousands of CPUs. */
export const maxPins = 1024;

function readCputune(domain: Known): Cputune {
  const cpuset = valueAt(domain, '/domain/vcpu/@cpuset');
  const emulator = valueAt(domain, '/domain/cputune/emulatorpin/@cpuset');
  const pins = findAll(domain, '/domain/cputune', '/domain/cputune/vcpupin').slice(0, maxPins);
  return {
    shares: valueAt(domain, '/domain/cputune/shares') ?? null,
    vcpuBandwidth: readBandwidth(domain, ''),
    emulatorBandwidth: readBandwidth(domain, 'emulator_'),
    globalBandwidth: readBandwidth(domain, 'global_'),
    cpuset: cpuset === undefined ? null : listCpus(cpuset),
    vcpuPins: pins.map((pin) => ({
      vcpu: need(pin, '/domain/cputune/vcpupin/@vcpu'),
      cpus: listCpus(need(pin, '/domain/cputune/vcpupin/@cpuset')),
    })),
    emulatorPin: emulator === undefined ? null : listCpus(emulator),
    iothreadBandwidth: readBandwidth(domain, 'iothread_'),
    iothreadPins: readIoThreadPins(domain),
  };
}

function readBandwidth(domain: Known, of: '' | 'emulator_' | 'global_' | 'iothread_'): Bandwidth | null {
  const periodUs = valueAt(domain, `/domain/cputune/${of}period`);
  const quotaUs = valueAt(domain, `/domain/cputune/${of}quota`);
  if (periodUs === undefined && quotaUs === undefined) return null;
  // The kernel's period.
  return { periodUs: periodUs ?? 100_000, quotaUs: quotaUs ?? null };
}

function readBlkiotune(domain: Known): Blkiotune {
  return {
    weight: valueAt(domain, '/domain/blkiotune/weight') ?? null,
    devices: findAll(domain, '/domain/blkiotune', '/domain/blkiotune/device').map(readBlkioDevice),
  };
}

function readBlkioDevice(device: Known): BlkioDevice {
  return {
    path: need(device, '/domain/blkiotune/device/path'),
    weight: valueAt(device, '/domain/blkiotune/device/weight') ?? null,
    readBytesPerSecond: valueAt(device, '/domain/blkiotune/device/read_bytes_sec') ?? null,
    writeBytesPerSecond: valueAt(device, '/domain/blkiotune/device/write_bytes_sec') ?? null,
    readOperationsPerSecond: valueAt(device, '/domain/blkiotune/device/read_iops_sec') ?? null,
    writeOperationsPerSecond: valueAt(device, '/domain/blkiotune/device/write_iops_sec') ?? null,
  };
}
