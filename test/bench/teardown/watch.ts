/** What stopwatch.c saw of one teardown, and what follows from it. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { readHierarchy } from '../../../cgroups/hierarchy.ts';
import type { Live } from './contender.ts';
import { type Guest, guestBytes } from './guest.ts';
import { hugePageBytes } from '../machine.ts';

const hierarchy = readHierarchy();

/** A program of this directory, compiled into `scratch`. */
export function compile(name: string, scratch: string): string {
  const program = join(scratch, name);
  execFileSync('cc', ['-O2', '-o', program, fileURLToPath(new URL(`${name}.c`, import.meta.url))]);
  return program;
}

interface Sample {
  readonly atMs: number;
  /** Charged to the cgroup; null when that is gone. */
  readonly usage: number | null;
  readonly cpuUs: number | null;
  readonly freeHugePages: number;
}

/** Times are nowMs(). */
export interface Sight {
  readonly lockFreeMs: number;
  readonly goneMs: number;
  readonly ownUs: number;
  readonly samples: readonly Sample[];
}

/** Where the guest's memory and CPU time are charged: threads may be sorted into cgroups below. */
function accountsOf(pid: number): { usage: string; cpu: string } {
  const text = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  let unified = join(hierarchy.mount.mountPoint, /^0::(.*)$/m.exec(text)![1]!);
  while (readFileSync(join(unified, 'cgroup.type'), 'utf8').startsWith('threaded')) unified = dirname(unified);
  const cpu = join(unified, 'cpu.stat');
  if (hierarchy.kind === 'unified') return { usage: join(unified, 'memory.current'), cpu };
  const twin = /^\d+:(?:.*,)?memory(?:,.*)?:(.*)$/m.exec(text)![1]!;
  return { usage: join(hierarchy.memory.mountPoint, twin, 'memory.usage_in_bytes'), cpu };
}

/** The cgroup keeps page cache and the like: this much of the guest's memory must be gone. */
const share = 0.99;

/** `image` `-`: it has none. Begins to look; what it gives ends the watch (or waits until everything was seen) and tells what was seen. */
export async function watch(
  stopwatch: string,
  live: Pick<Live, 'pid' | 'image'>,
  guest: Guest,
): Promise<() => Promise<Sight>> {
  const { usage, cpu } = accountsOf(live.pid);
  const huge = guest.pages === 'hugetlb';
  const fall = huge ? 0 : Math.floor(guestBytes(guest) * share);
  const pages = huge ? guestBytes(guest) / hugePageBytes : 0;
  const argv = [live.image, live.pid, usage, cpu, fall, pages].map(String);
  const child = spawn(stopwatch, argv, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const ready = await lines.next();
  if (ready.value !== 'ready') throw new Error(`stopwatch ${argv.join(' ')} failed`);
  return async () => {
    const late = setTimeout(() => child.stdin.end(), 60_000);
    const { value } = (await lines.next()) as { value: string };
    clearTimeout(late);
    if (child.exitCode === null) await once(child, 'exit');
    return read(value);
  };
}

function read(line: string): Sight {
  const { lockFreeNs, goneNs, ownUs, samples } = JSON.parse(line) as {
    lockFreeNs: number;
    goneNs: number;
    ownUs: number;
    samples: [number, number, number, number][];
  };
  const known = (figure: number): number | null => (figure < 0 ? null : figure);
  const understood = samples.map(([at, usage, cpuUs, freeHugePages]) => {
    return { atMs: at / 1e6, usage: known(usage), cpuUs: known(cpuUs), freeHugePages };
  });
  return { lockFreeMs: lockFreeNs / 1e6, goneMs: goneNs / 1e6, ownUs, samples: understood };
}

/** When the last 1 % was coming back; NaN: it was not seen. */
export function backMs(sight: Sight, guest: Guest): number {
  return (
    sight.samples.find((sample) => heldIn(sample, sight.samples[0]!, guest) <= guestBytes(guest) * (1 - share))?.atMs ??
    NaN
  );
}

/** Guest memory still held at that time. */
export function heldAt(sight: Sight, guest: Guest, atMs: number): number {
  const before = sight.samples.filter((sample) => sample.atMs <= atMs);
  return heldIn(before.at(-1) ?? sight.samples[0]!, sight.samples[0]!, guest);
}

function heldIn(sample: Sample, first: Sample, guest: Guest): number {
  const fallen =
    guest.pages === 'hugetlb'
      ? (sample.freeHugePages - first.freeHugePages) * hugePageBytes
      : sample.usage === null
        ? guestBytes(guest)
        : first.usage! - sample.usage;
  return Math.max(0, guestBytes(guest) - fallen);
}

/** CPU time charged to the cgroup since the first look, microseconds. */
export function chargedUs({ samples }: Sight): number {
  const readings = samples.flatMap(({ cpuUs }) => (cpuUs === null ? [] : [cpuUs]));
  return readings.at(-1)! - readings[0]!;
}
