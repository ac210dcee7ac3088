/**
 * What a third domain loses while another one starts under a brake: pairs of the same length, with such a start beside it and
 * without, in turns. The third has a processor of its own, and everything else the other ones: `taskset -c 0` in front of the
 * bench. What is left of a loss is what they share: memory, caches, the kernel.
 */
import { spawn } from 'node:child_process';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { usual } from './plan.ts';
import { type Place, run } from './run.ts';

/** How often it had done its work at what time. */
interface Mark {
  readonly ms: number;
  readonly count: number;
}

interface Pair {
  readonly besideRate: number;
  readonly aloneRate: number;
}

/** Prints each pair, then the ratio with its confidence interval. */
export async function third(pairs: number, place: Place): Promise<void> {
  const marks: Mark[] = [];
  const worker = spawn(join(place.programs, 'worker'), [String(lastProcessor())], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface({ input: worker.stdout }).on('line', (line) => {
    const [ms = 0, count = 0] = line.split(' ').map(Number);
    marks.push({ ms, count });
  });
  try {
    const all: Pair[] = [];
    for (let index = 0; index < pairs; index += 1) all.push(await measure(index % 2 === 0, marks, place));
    print(all);
  } finally {
    worker.kill('SIGKILL');
  }
}

/** Of the host, not of those that this process may use. */
function lastProcessor(): number {
  return cpus().length - 1;
}

/** One pair, whichever of the two comes first. */
async function measure(isBesideFirst: boolean, marks: readonly Mark[], place: Place): Promise<Pair> {
  const alone = async (): Promise<number> => {
    const from = Number(process.hrtime.bigint()) / 1e6;
    await pause(aloneMs);
    return rateOf(marks, from, from + aloneMs);
  };
  const beside = async (): Promise<number> => {
    const { beganMs, overMs } = await run(usual, place);
    return rateOf(marks, beganMs, overMs);
  };
  const first = await (isBesideFirst ? beside : alone)();
  const second = await (isBesideFirst ? alone : beside)();
  const pair = isBesideFirst ? { besideRate: first, aloneRate: second } : { besideRate: second, aloneRate: first };
  process.stdout.write(`${JSON.stringify({ third: pair })}\n`);
  return pair;
}

/** About as long as a drain in steps. */
const aloneMs = 4500;

function rateOf(marks: readonly Mark[], from: number, to: number): number {
  const within = marks.filter(({ ms }) => ms >= from && ms <= to);
  const [first, last] = [within[0], within.at(-1)];
  if (!first || !last || first === last) return Number.NaN;
  return (last.count - first.count) / (last.ms - first.ms);
}

const confidence = 0.95;
const resamples = 20_000;

/** The mean of log ratios, as pairs vary by factors; its interval by the bootstrap. */
function print(pairs: readonly Pair[]): void {
  const logs = pairs.map(({ besideRate, aloneRate }) => Math.log(besideRate / aloneRate));
  const means = Array.from({ length: resamples }, () => mean(logs.map(() => pick(logs)))).toSorted((a, b) => a - b);
  const at = (share: number): string => percent(means[Math.floor((means.length - 1) * share)] ?? Number.NaN);
  const rest = (1 - confidence) / 2;
  process.stdout.write(`third domain beside a braked start: ${percent(mean(logs))} of its speed alone, `);
  process.stdout.write(`95 % interval ${at(rest)} to ${at(1 - rest)}, ${pairs.length} pairs\n`);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function pick(values: readonly number[]): number {
  return values[Math.floor(Math.random() * values.length)] ?? Number.NaN;
}

function percent(log: number): string {
  return `${(Math.exp(log) * 100).toFixed(1)} %`;
}
