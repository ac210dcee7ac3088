/** The pools of huge pages, by size and by node of the host: how much there is, and how much of it is free. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../errors.ts';

/** One pool, or a node's part of it; bytes. */
export interface PoolShare {
  readonly totalBytes: number;
  readonly freeBytes: number;
}

/** The pool of one size; the parts of `nodes` sum to the whole where the kernel tells of nodes. */
export interface HugePoolReading extends PoolShare {
  readonly pageBytes: number;
  readonly nodes: readonly (PoolShare & { readonly node: number })[];
}

/** Pools that have pages, smallest first; `sys` is where sysfs is. */
export function readHugePools(sys = '/sys'): HugePoolReading[] {
  const nodes = numbersIn(join(sys, 'devices/system/node'), /^node(\d+)$/);
  return sizesIn(sys)
    .map((kib) => ({
      pageBytes: kib * 1024,
      ...readShare(join(sys, 'kernel/mm/hugepages'), kib),
      nodes: nodes.map((node) => ({ node, ...readShare(join(sys, `devices/system/node/node${node}/hugepages`), kib) })),
    }))
    .filter(({ totalBytes }) => totalBytes > 0);
}

/** Bytes in all pools, used or not: none of them serves 4 KiB memory. */
export function hugePoolBytes(sys = '/sys'): number {
  return sizesIn(sys).reduce((sum, kib) => sum + readShare(join(sys, 'kernel/mm/hugepages'), kib).totalBytes, 0);
}

/** In KiB, smallest first. */
function sizesIn(sys: string): number[] {
  return numbersIn(join(sys, 'kernel/mm/hugepages'), /^hugepages-(\d+)kB$/);
}

function readShare(directory: string, kib: number): PoolShare {
  const bytesOf = (name: string): number =>
    Number(readFileSync(join(directory, `hugepages-${kib}kB`, name), 'utf8')) * kib * 1024;
  return { totalBytes: bytesOf('nr_hugepages'), freeBytes: bytesOf('free_hugepages') };
}

/** A kernel without nodes, or without huge pages, has no such directory. */
function numbersIn(directory: string, pattern: RegExp): number[] {
  try {
    const found = readdirSync(directory).map((name) => pattern.exec(name)?.[1]);
    return found.flatMap((digits) => (digits === undefined ? [] : [Number(digits)])).toSorted((a, b) => a - b);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
