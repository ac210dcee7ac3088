/** What the runs came to: the table of docs/brake-figures.md. */
import { readFileSync } from 'node:fs';
import { median } from '../statistics.ts';
import { table } from '../table.ts';
import { keyOf, MiB, type Plan, sizes } from './plan.ts';
import type { Outcome } from './run.ts';

const head = [
  ...['what', 'machine', 'drain', 'memory', 'vCPUs', 'n', 'peak MiB', "kernel's peak", 'OOM kills', 'max hits'],
  ...['p99 ms', 'worst ms', 'drain s', 'done/drain', 'worst'],
];

/** Outcomes that runs have written to files, one on a line among others. */
export function readOutcomes(files: readonly string[]): Outcome[] {
  const lines = files.flatMap((file) => readFileSync(file, 'utf8').split('\n'));
  return lines.filter((line) => line.startsWith('{"contender"')).map((line) => JSON.parse(line) as Outcome);
}

/** One row a plan, in the order in which they were first run. */
export function runsTable(outcomes: readonly Outcome[]): string {
  const keys = [...new Set(outcomes.map(keyOf))];
  const rows = keys.map((key) => row(outcomes.filter((outcome) => keyOf(outcome) === key)));
  return table(head, rows);
}

function row(all: readonly Outcome[]): (string | number)[] {
  const [one] = all as readonly [Outcome];
  const peak = worst(all, ({ peakBytes }) => peakBytes);
  const ratios = all.map(({ doneMs, drainedMs }) => (doneMs ?? Number.POSITIVE_INFINITY) / drainedMs);
  return [
    ...[nameOf(one), one.machine, one.drain, one.kind, one.vcpus, all.length],
    ...[`${mib(peak)} of ${mib(sizes.boundBytes)}`, mibOr(all.map(({ kernelPeakBytes }) => kernelPeakBytes))],
    ...[total(all.map(({ oomKills }) => oomKills)), total(all.map(({ maxHits }) => maxHits))],
    ...[worst(all, ({ p99Ms }) => p99Ms).toFixed(0), worst(all, ({ worstMs }) => worstMs).toFixed(0)],
    ...[secondsOf(all)],
    ...[ratioText(median(ratios)), ratioText(Math.max(...ratios))],
  ];
}

/** Of drains that were seen to their end: one is not when the machine was ended before. */
function secondsOf(all: readonly Outcome[]): string {
  const seen = all.map(({ drainedMs }) => drainedMs).filter(Boolean);
  return seen.length > 0 ? (median(seen) / 1000).toFixed(1) : '-';
}

function nameOf({ contender, whose, loop }: Plan): string {
  const more = [whose === 'other' ? "another domain's memory" : '', loop === 'stalled' ? 'event loop stalled' : ''];
  return [contender, ...more.filter((word) => word !== '')].join(', ');
}

function worst(all: readonly Outcome[], figure: (outcome: Outcome) => number): number {
  return Math.max(...all.map(figure));
}

function mib(bytes: number): string {
  return (bytes / MiB).toFixed(0);
}

function mibOr(values: readonly (number | null)[]): string {
  return values.includes(null) ? '-' : mib(Math.max(...values.map(Number)));
}

/** Of all runs; a hybrid host counts none. */
function total(values: readonly (number | null)[]): string {
  return values.includes(null) ? '-' : String(values.reduce((sum: number, value) => sum + Number(value), 0));
}

function ratioText(ratio: number): string {
  return Number.isFinite(ratio) ? ratio.toFixed(2) : 'never';
}
