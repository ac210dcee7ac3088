/** What the measured rate of one thread would mean for sizes and threads that this machine has not. */
import { cpus } from 'node:os';
import { GiB } from '../machine.ts';
import type { Teardown } from './measure.ts';
import { table } from '../table.ts';
import { spread } from '../statistics.ts';

const sizesTib = [1, 4, 16];
const threadCounts = [1, 2, 4, 8, 16, 32, 64];

/** Bytes a second, 4 KiB pages, the biggest guest. */
function rateOf(teardowns: readonly Teardown[], contender: string): number {
  const runs = teardowns.filter((each) => each.contender === contender && each.pages === '4k');
  const biggest = Math.max(...runs.map(({ gib }) => gib));
  const ms = spread(runs.filter(({ gib }) => gib === biggest).map(({ backMs }) => backMs)).median;
  return (biggest * GiB) / (ms / 1000);
}

/** Says so where one of the two that it stands on was not measured. */
export function projection(teardowns: readonly Teardown[]): string {
  const one = rateOf(teardowns, 'QEMU, SIGKILL');
  const two = rateOf(teardowns, 'domctl fast');
  if (Number.isNaN(one + two)) return 'Not to be had: what it stands on was not measured.';
  // Amdahl's serial share that the two measured points have.
  const threads = Math.min(2, cpus().length);
  const serial = threads < 2 ? 1 : Math.max(0, 2 * (one / two) - 1);
  const speedup = (count: number): number => 1 / (serial + (1 - serial) / count);
  const seconds = (tib: number, count: number): string => ((tib * 1024 * GiB) / (one * speedup(count))).toFixed(1);
  const linear = (tib: number, count: number): string => ((tib * 1024 * GiB) / (one * count)).toFixed(1);
  const rows = threadCounts.map((count) => [
    `${count}`,
    ...sizesTib.map((tib) => `${seconds(tib, count)} to ${linear(tib, count)}`),
  ]);
  const measured = `${(one / 1e9).toFixed(1)} GB/s with one thread, ${(two / 1e9).toFixed(1)} GB/s with ${threads}`;
  return [
    `**A projection, not a measurement.** Seconds until the memory is back, anonymous 4 KiB pages; measured here: ${measured}.`,
    table(['threads', ...sizesTib.map((tib) => `${tib} TiB, s`)], rows),
    `The first figure of each pair keeps the serial share that one and two threads show here (${(serial * 100).toFixed(1)} %); the second has none.`,
    'Assumed for both: a CPU for each thread, all with the same memory bandwidth; memory spread over as many zones (NUMA nodes) as it takes that the zone lock and the LRU locks, which freeing threads share, do not bind; pages neither pinned nor in a protected guest. Only two threads were measured, and none of this beyond 12 GiB.',
  ].join('\n\n');
}
