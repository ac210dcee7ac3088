/**
 * One run: a predecessor that gives 500 MiB back, and a machine that dirties 500 MiB as fast as it can, under a bound of 700 MiB
 * on both together, held (or not) by one contender. The machine is what a hypervisor is to its cgroup: threads that dirty, and
 * one that answers. Real cgroups; nothing of the daemon, so nothing is paused.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Cgroup } from '../../../cgroups/cgroup.ts';
import type { CgroupRoot } from '../../../cgroups/hierarchy.ts';
import { brakeMargin } from '../../../lib/admission/bound.ts';
import { Guard } from '../../../native/guard.ts';

export const MiB = 2 ** 20;
export const sizes = { oldBytes: 500 * MiB, dirtiedBytes: 500 * MiB, promisedBytes: 600 * MiB, boundBytes: 700 * MiB };

export type Contender = 'brake' | 'none' | 'max only' | 'high only';

export interface Plan {
  readonly contender: Contender;
  readonly kind: 'anon' | 'memfd';
  readonly drain: 'steps' | 'slow' | 'stall';
  readonly vcpus: number;
}

/** Bytes and milliseconds; doneMs null: its guest never had all it wanted. */
export interface Outcome extends Plan {
  readonly peakBytes: number;
  readonly drainedMs: number;
  readonly doneMs: number | null;
  /** null on a hybrid host, which has no fence. */
  readonly oomKills: number | null;
  readonly maxHits: number | null;
  readonly questions: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
  readonly frozenMs: number;
  readonly guardCpuMs: number | null;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const giveUpMs = 60_000;
const ticksPerSecond = 100;

/** Programs of the bench, built once in `directory`. */
export function buildPrograms(directory: string): void {
  for (const name of ['drain', 'machine'])
    execFileSync('cc', ['-O2', '-pthread', '-o', join(directory, name), here(`${name}.c`)]);
}

/** A program that is born in the cgroup: it goes there before it is what it is. */
function bornIn(cgroup: Cgroup, ...argv: readonly string[]): ChildProcessWithoutNullStreams {
  const script = 'echo $$ > "$0/cgroup.procs" && echo $$ > "$1/cgroup.procs" && shift && exec "$@"';
  return spawn('sh', ['-c', script, cgroup.directory, cgroup.memoryDirectory, ...argv], { stdio: 'pipe' });
}

/** null where the kernel does not count it. */
function keyOf(file: string, key: string): number | null {
  if (!existsSync(file)) return null;
  return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? Number.NaN);
}

/** Bytes of guest memory: what is not page cache. */
function held(cgroup: Cgroup): number {
  const memory = cgroup.memory();
  return memory.known ? memory.value.heldBytes : 0;
}

async function hold(plan: Plan, branch: Cgroup, old: Cgroup, fresh: Cgroup, threads: readonly number[]) {
  const { boundBytes } = sizes;
  if (plan.contender === 'max only') writeFileSync(join(branch.directory, 'memory.max'), String(boundBytes));
  if (plan.contender === 'high only') writeFileSync(join(branch.directory, 'memory.high'), String(boundBytes));
  if (plan.contender !== 'brake') return null;
  const figures = { frozenMs: 0 };
  const guard = await Guard.start(
    {
      memory: fresh.memoryDirectory,
      freezers: await fresh.freezersOf('vcpus', threads),
      drains: [old.memoryDirectory],
      neededBytes: sizes.promisedBytes,
      boundBytes,
      marginBytes: brakeMargin('auto', boundBytes, plan.vcpus),
      floorBytes: 0,
      vcpus: threads.length,
      maxAfter: 'max',
      highAfter: 'max',
    },
    ({ frozenMs }) => {
      figures.frozenMs = frozenMs;
    },
  );
  return { guard, figures };
}

/** Processor time of a process so far. */
function cpuMs(pid: number | null): number | null {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
  } catch {
    return null;
  }
}

/** Runs the plan in cgroups of its own below the root. */
export async function run(plan: Plan, root: CgroupRoot, programs: string): Promise<Outcome> {
  const branch = await root.makeBranch(`vm-${Date.now()}`);
  const name = branch.path.split('/').at(-1) ?? '';
  const [old, fresh] = [root.at(name, '1'), root.at(name, '2')];
  await old.create();
  await fresh.create();
  const drain = bornIn(old, join(programs, 'drain'), plan.kind, String(sizes.oldBytes), plan.drain);
  await once(drain.stdout, 'data');
  const machine = bornIn(fresh, join(programs, 'machine'), String(sizes.dirtiedBytes), String(plan.vcpus));
  machine.stdin.on('error', () => undefined);
  const lines = createInterface({ input: machine.stdout });
  try {
    const [ids] = (await once(lines, 'line')) as [string];
    const brake = await hold(plan, branch, old, fresh, ids.trim().split(' ').map(Number));
    return await watch(plan, { branch, old, fresh, drain, machine, lines, brake });
  } finally {
    machine.kill('SIGKILL');
    drain.kill('SIGKILL');
    await cleanUp(branch, old, fresh);
  }
}

interface Watched {
  readonly branch: Cgroup;
  readonly old: Cgroup;
  readonly fresh: Cgroup;
  readonly drain: ChildProcessWithoutNullStreams;
  readonly machine: ChildProcessWithoutNullStreams;
  readonly lines: Interface;
  readonly brake: Awaited<ReturnType<typeof hold>>;
}

async function watch(plan: Plan, { branch, old, fresh, drain, machine, lines, brake }: Watched): Promise<Outcome> {
  const begin = performance.now();
  let drainedMs = Number.NaN;
  drain.on('exit', () => (drainedMs = performance.now() - begin));
  const latencies: number[] = [];
  let isOver = false;
  machine.stdin.write('go\n');
  await once(lines, 'line');
  drain.stdin.write('\n');
  const asking = ask(machine, lines, latencies, () => isOver);
  let [peakBytes, doneMs]: [number, number | null] = [0, null];
  let guardCpuMs: number | null = null;
  while (performance.now() - begin < giveUpMs && (doneMs === null || Number.isNaN(drainedMs))) {
    peakBytes = Math.max(peakBytes, held(old) + held(fresh));
    if (held(fresh) >= sizes.dirtiedBytes * 0.99) doneMs ??= performance.now() - begin;
    guardCpuMs = cpuMs(brake?.guard.pid ?? null) ?? guardCpuMs;
    if (hasEnded(machine)) break;
    await pause(10);
  }
  isOver = true;
  await brake?.guard.lift();
  await Promise.race([asking, pause(5000)]);
  const events = join(branch.directory, 'memory.events');
  const sorted = latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  const frozenMs = brake?.figures.frozenMs ?? 0;
  const counts = { oomKills: keyOf(events, 'oom_kill'), maxHits: keyOf(events, 'max'), questions: sorted.length };
  const answers = { p50Ms: at(0.5), p99Ms: at(0.99), worstMs: at(1) };
  return { ...plan, peakBytes, drainedMs, doneMs, ...counts, ...answers, frozenMs, guardCpuMs };
}

function hasEnded({ exitCode, signalCode }: ChildProcessWithoutNullStreams): boolean {
  return exitCode !== null || signalCode !== null;
}

/** One question after the other; one that is never answered counts with the time it was waited for. */
async function ask(
  machine: ChildProcessWithoutNullStreams,
  lines: Interface,
  latencies: number[],
  isOver: () => boolean,
): Promise<void> {
  const ended = once(machine, 'exit');
  while (!isOver() && !hasEnded(machine)) {
    const begin = performance.now();
    machine.stdin.write('are you there\n');
    await Promise.race([once(lines, 'line'), ended]);
    latencies.push(performance.now() - begin);
    await pause(20);
  }
}

async function cleanUp(branch: Cgroup, ...cgroups: readonly Cgroup[]): Promise<void> {
  for (const cgroup of cgroups) {
    for (let populated = cgroup.populated(); populated.known && populated.value; populated = cgroup.populated())
      await pause(20);
    await cgroup.reclaim();
    await cgroup.remove();
  }
  await branch.removeIfEmpty();
}
