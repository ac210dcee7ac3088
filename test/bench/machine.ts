/** The machine: what it is, how busy, and its page settings, which are put back at the end. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { atEnd } from './ending.ts';

export const GiB = 2 ** 30;
export const hugePageBytes = 2 * 2 ** 20;

/** Of every contender's guest: emulated, so that no figure depends on what KVM the host has, unless KVM is asked for. */
export const accelerator = process.argv.includes('--kvm') ? 'kvm' : 'tcg';

const thpFile = '/sys/kernel/mm/transparent_hugepage/enabled';
const poolFile = '/proc/sys/vm/nr_hugepages';

/** What guest memory is made of. `4k` and `thp` are anonymous memory without and with transparent huge pages. */
export type Pages = '4k' | 'thp' | 'memfd' | 'hugetlb';

export function describeMachine(): string {
  const model = /model name\s*: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? process.arch;
  const gib = (totalmem() / GiB).toFixed(0);
  return `${cpus().length} x ${model}, ${gib} GiB, Linux ${release()}, Node ${process.versions.node}`;
}

export function load(): number {
  return loadavg()[0]!;
}

/** A figure of /proc/meminfo as it stands there: KiB, or a count. */
export function meminfo(key: string): number {
  return Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]);
}

/** Time all CPUs have worked since boot, in microseconds; steps of 10 ms. */
export function busyUs(): number {
  const [, user, nice, system, , , irq, softirq] = readFileSync('/proc/stat', 'utf8').split('\n')[0]!.split(/\s+/);
  return [user, nice, system, irq, softirq].reduce((sum, ticks) => sum + Number(ticks) * 10_000, 0);
}

let keptThp: string | null = null;

/** QEMU asks for transparent huge pages by madvise: `never` is what denies them. */
export function useThp(word: 'madvise' | 'never'): void {
  if (keptThp === null) {
    const kept = /\[(\w+)\]/.exec(readFileSync(thpFile, 'utf8'))![1]!;
    keptThp = kept;
    atEnd(() => writeFileSync(thpFile, kept));
  }
  writeFileSync(thpFile, word);
}

let poolIsKept = false;

/** Reserves `bytes` of huge pages; false, and nothing reserved, when the kernel does not find them. */
export function reserveHugePages(bytes: number): boolean {
  const before = readFileSync(poolFile, 'utf8').trim();
  if (!poolIsKept) atEnd(() => writeFileSync(poolFile, before));
  poolIsKept = true;
  const wanted = Number(before) + bytes / hugePageBytes;
  writeFileSync('/proc/sys/vm/compact_memory', '1');
  writeFileSync(poolFile, String(wanted));
  if (Number(readFileSync(poolFile, 'utf8')) >= wanted) return true;
  releaseHugePages(before);
  return false;
}

/** Gives the pool back but for what was there before. */
export function releaseHugePages(before = '0'): void {
  writeFileSync(poolFile, before);
}
