/** What the host has: memory, huge page pools, boot, processors. Facts only, as readings. */
import { isErrno, messageOf } from '../errors.ts';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { arch, cpus } from 'node:os';
import { cpu, mem } from 'systeminformation';
import type { HostMemory } from '../admission/ledger.ts';
import { known, type Reading, unknown } from '../reading.ts';
import { hugePoolBytes } from './huge-pools.ts';

const hugePages = '/sys/kernel/mm/hugepages';

/** MemTotal, MemAvailable and the huge page pools, in bytes. */
export async function readHostMemory(): Promise<Reading<HostMemory>> {
  try {
    const { total, available } = await mem();
    if (!(total > 0) || !(available >= 0)) return unknown('the host tells no MemTotal or MemAvailable');
    return known({ totalBytes: total, availableBytes: available, hugePoolBytes: hugePoolBytes() });
  } catch (error) {
    return unknown(messageOf(error));
  }
}

/** MemTotal and all of the swap there is, in bytes. */
export async function readMemoryAndSwap(): Promise<{
  readonly total: Reading<number>;
  readonly swap: Reading<number>;
}> {
  try {
    const { total, swaptotal } = await mem();
    return { total: known(total), swap: known(swaptotal) };
  } catch (error) {
    const reason = unknown(messageOf(error));
    return { total: reason, swap: reason };
  }
}

/** Share of the last ten seconds in which some task stood still for want of memory, in percent (PSI some avg10). */
export async function readMemoryPressure(): Promise<Reading<number>> {
  try {
    const found = /^some avg10=(\d+(?:\.\d+)?) /m.exec(await readFile('/proc/pressure/memory', 'utf8'));
    return found ? known(Number(found[1])) : unknown('/proc/pressure/memory has no such line');
  } catch (error) {
    return unknown(messageOf(error));
  }
}

/** The host's processors and memory, as libvirt's nodeinfo has them; null: not known. */
export interface NodeFacts {
  /** The kernel's word for the instruction set, e.g. `x86_64`. */
  readonly cpuModel: string;
  readonly cpuName: string | null;
  readonly cpus: number;
  readonly cpuFrequencyMhz: number | null;
  readonly sockets: number;
  readonly coresPerSocket: number;
  readonly threadsPerCore: number;
  readonly numaCells: number;
  readonly memoryBytes: number;
}

export async function readNode(): Promise<NodeFacts> {
  const [{ brand, manufacturer, speed, processors, physicalCores, cores }, { total }] = await Promise.all([
    cpu(),
    mem(),
  ]);
  const sockets = Math.max(1, processors);
  const coresPerSocket = Math.max(1, Math.floor(physicalCores / sockets));
  const name = `${manufacturer} ${brand}`.trim();
  return {
    cpuModel: kernelArch[arch()] ?? arch(),
    cpuName: name === '' ? null : name,
    cpus: cpus().length,
    cpuFrequencyMhz: frequency(speed),
    sockets,
    coresPerSocket,
    threadsPerCore: Math.max(1, Math.round(cores / (sockets * coresPerSocket))),
    numaCells: countNodes(),
    memoryBytes: total,
  };
}

const kernelArch: Readonly<Record<string, string>> = {
  x64: 'x86_64',
  arm64: 'aarch64',
  ia32: 'i686',
  ppc64: 'ppc64le',
};

/** As the kernel sees it now, like libvirt; else what the processor calls itself by, in GHz. */
function frequency(nominalGhz: number): number | null {
  const mhz = cpus()[0]?.speed ?? 0;
  if (mhz > 0) return mhz;
  return nominalGhz > 0 ? Math.round(nominalGhz * 1000) : null;
}

/** A kernel without NUMA shows no node: then there is one cell. */
function countNodes(): number {
  try {
    return Math.max(1, readdirSync('/sys/devices/system/node').filter((name) => /^node\d+$/.test(name)).length);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 1;
    throw error;
  }
}

/** NUMA nodes of the host that have memory. */
export function readMemoryNodes(): number[] {
  try {
    return parseCpuList(readFileSync('/sys/devices/system/node/has_memory', 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [0];
    throw error;
  }
}

/** The pool of one size of huge pages. */
export interface HugePool {
  readonly pageBytes: number;
  /** Pages that a start could have: free, not reserved for others, and those the kernel may still make. */
  readonly freePages: number;
}

/** The pool of that page size (null: the host's default), or null where there is no such size. */
export function readHugePool(pageBytes: number | null): HugePool | null {
  const kib = pageBytes === null ? defaultHugePageKib() : pageBytes / 1024;
  if (kib === null || !existsSync(`${hugePages}/hugepages-${kib}kB`)) return null;
  const count = (name: string): number => Number(readFileSync(`${hugePages}/hugepages-${kib}kB/${name}`, 'utf8'));
  const surplus = Math.max(0, count('nr_overcommit_hugepages') - count('surplus_hugepages'));
  return { pageBytes: kib * 1024, freePages: count('free_hugepages') - count('resv_hugepages') + surplus };
}

function defaultHugePageKib(): number | null {
  const found = /^Hugepagesize:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'));
  return found ? Number(found[1]) : null;
}

/** CPU numbers that are online. */
export function readOnlineCpus(): number[] {
  return parseCpuList(readFileSync('/sys/devices/system/cpu/online', 'utf8'));
}

/** `0-2,5` as the kernel writes lists of CPUs. */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [first = Number.NaN, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}

/** The identity of this boot; pids mean nothing under another one. */
export function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}
