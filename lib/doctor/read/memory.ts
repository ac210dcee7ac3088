/** Reads the host's memory and how the kernel gives it out. */
import { readdirSync } from 'node:fs';
import { readMemoryAndSwap } from '../../host/inventory.ts';
import type { HugePool, MemoryReadings } from '../readings.ts';
import { attempt, readText, unlessAbsent } from './attempt.ts';

const hugePages = '/sys/kernel/mm/hugepages';

export async function readMemory(): Promise<MemoryReadings> {
  const { total, swap } = await readMemoryAndSwap();
  return {
    total,
    swap,
    overcommitMemory: attempt(() => readText('/proc/sys/vm/overcommit_memory')),
    transparentHugePages: attempt(() => chosenWord(readText('/sys/kernel/mm/transparent_hugepage/enabled'))),
    pools: attempt(readPools),
    pressure: attempt(() => readText('/proc/pressure/memory')),
  };
}

/** `always [madvise] never`: the word in brackets. */
function chosenWord(text: string): string {
  const word = /\[(\w+)\]/.exec(text)?.[1];
  if (word === undefined) throw new Error(`cannot understand ${text}`);
  return word;
}

/** A kernel without huge pages has no directory of them. */
function readPools(): HugePool[] {
  const names = unlessAbsent(() => readdirSync(hugePages)) ?? [];
  return names.map((name) => ({
    pageBytes: Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]) * 1024,
    pages: Number(readText(`${hugePages}/${name}/nr_hugepages`)),
    freePages: Number(readText(`${hugePages}/${name}/free_hugepages`)),
  }));
}
