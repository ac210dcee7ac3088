/**
 * One run: a predecessor that gives 500 MiB back, and a machine that dirties as much as fast as it can, under a bound of 700 MiB
 * on both together, held (or not) by one contender. Real cgroups, in a root of the run's own; nothing of the daemon but the
 * guard as it starts it, so nothing is paused.
 */
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Cgroup } from '../../../cgroups/cgroup.ts';
import { CgroupRoot, type Hierarchy } from '../../../cgroups/hierarchy.ts';
import { brakeMargin } from '../../../lib/admission/bound.ts';
import { Guard } from '../../../native/guard.ts';
import { bornIn, type Machine, startMachine } from './machines.ts';
import { drainings, MiB, oldBytes, type Plan, sizes } from './plan.ts';

/** Bytes and milliseconds; doneMs null: its guest never had all it wanted. */
export interface Outcome extends Plan {
  /** Of both, page cache left out, read every 10 ms; and of all that was charged, as the kernel saw it: null, it does not say. */
  readonly peakBytes: number;
  readonly kernelPeakBytes: number | null;
  /** On the monotonic clock: when the machine began, and when it and the drain were done. */
  readonly beganMs: number;
  readonly overMs: number;
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
  /** Milliseconds since it began, MiB of the old and of the new one; of the first run of a plan. */
  readonly trace?: readonly (readonly [number, number, number])[];
}

export interface Place {
  readonly hierarchy: Hierarchy;
  /** Where the programs are. */
  readonly programs: string;
}

const giveUpMs = 40_000;
const ticksPerSecond = 100;
const traceEveryMs = 50;
const stallMs = 100;
const askEveryMs = 10;

let runs = 0;

/** Runs the plan in cgroups of its own. */
export async function run(plan: Plan, { hierarchy, programs }: Place, isTraced = false): Promise<Outcome> {
  runs += 1;
  const root = await CgroupRoot.open(hierarchy, `/domctl-bench-${process.pid}-${runs}`);
  await root.makeBranch('vm');
  if (plan.whose === 'other') await root.makeBranch('other');
  const [old, fresh] = [root.at(plan.whose === 'own' ? 'vm' : 'other', '1'), root.at('vm', '2')];
  await old.create();
  await fresh.create();
  const { how, time } = drainings[plan.drain];
  const drain = bornIn(old, join(programs, 'drain'), plan.kind, String(oldBytes[plan.machine]), how, String(time));
  drain.stdin.on('error', () => undefined);
  let machine: Machine | null = null;
  try {
    await once(drain.stdout, 'data');
    machine = await startMachine[plan.machine](fresh, programs, plan.vcpus);
    return await new Watch(plan, { root, old, fresh, machine, isTraced }).overDrain(async () => {
      const gone = once(drain, 'exit');
      drain.stdin.write('\n');
      await gone;
    });
  } finally {
    machine?.kill();
    drain.kill('SIGKILL');
    await cleanUp(root, [old, fresh]);
  }
}

interface Scene {
  readonly root: CgroupRoot;
  readonly old: Cgroup;
  readonly fresh: Cgroup;
  readonly machine: Machine;
  readonly isTraced: boolean;
}

class Watch {
  readonly #plan: Plan;
  readonly #scene: Scene;
  readonly #trace: [number, number, number][] = [];
  readonly #latencies: number[] = [];
  #isOver = false;
  #peakBytes = 0;
  #frozenMs = 0;
  #guardCpuMs: number | null = null;
  #doneMs: number | null = null;
  #drainedMs = Number.NaN;

  constructor(plan: Plan, scene: Scene) {
    this.#plan = plan;
    this.#scene = scene;
  }

  async overDrain(drain: () => Promise<void>): Promise<Outcome> {
    const { machine, fresh } = this.#scene;
    const guard = await this.#hold();
    const wantedBytes = held(fresh) + machine.dirtiedBytes * 0.99;
    const [begin, beganMs] = [performance.now(), monotonicMs()];
    await machine.go();
    void drain().then(() => (this.#drainedMs = performance.now() - begin));
    const asking = this.#ask();
    while (!this.#isDone(performance.now() - begin) && !machine.hasEnded()) {
      this.#sample(performance.now() - begin, wantedBytes);
      this.#guardCpuMs = cpuMs(guard?.pid ?? null) ?? this.#guardCpuMs;
      if (this.#plan.loop === 'stalled') standStill(stallMs);
      await pause(this.#plan.loop === 'stalled' ? stallMs / 2 : 10);
    }
    const overMs = monotonicMs();
    this.#isOver = true;
    await guard?.lift();
    await Promise.race([asking, pause(5000)]);
    return { ...this.#plan, ...this.#figures(), beganMs, overMs };
  }

  #isDone(ms: number): boolean {
    return ms > giveUpMs || (this.#doneMs !== null && !Number.isNaN(this.#drainedMs));
  }

  #sample(ms: number, wantedBytes: number): void {
    const [old, fresh] = [held(this.#scene.old), held(this.#scene.fresh)];
    this.#peakBytes = Math.max(this.#peakBytes, old + fresh);
    if (fresh >= wantedBytes) this.#doneMs ??= ms;
    const isDue = ms - (this.#trace.at(-1)?.[0] ?? -traceEveryMs) >= traceEveryMs;
    if (this.#scene.isTraced && isDue)
      this.#trace.push([Math.round(ms), Math.round(old / MiB), Math.round(fresh / MiB)]);
  }

  async #hold(): Promise<Guard | null> {
    const { contender, vcpus } = this.#plan;
    const { root, old, fresh, machine } = this.#scene;
    const { boundBytes } = sizes;
    const branch = root.at('vm').directory;
    if (contender === 'max only') writeFileSync(join(branch, 'memory.max'), String(boundBytes));
    if (contender === 'high only') writeFileSync(join(branch, 'memory.high'), String(boundBytes));
    if (contender !== 'brake') return null;
    const order = {
      memory: fresh.memoryDirectory,
      freezers: await fresh.freezersOf('vcpus', machine.threads),
      drains: [old.memoryDirectory],
      turn: fresh.lockFile,
      neededBytes: sizes.promisedBytes,
      boundBytes,
      marginBytes: brakeMargin('auto', boundBytes, vcpus),
      ...{ floorBytes: 0, vcpus, maxAfter: 'max', highAfter: 'max' },
    };
    return Guard.start(order, ({ frozenMs }) => {
      this.#frozenMs = frozenMs;
    });
  }

  /** One question after the other; one that is never answered counts with the time it was waited for. */
  async #ask(): Promise<void> {
    const { machine } = this.#scene;
    while (!this.#isOver && !machine.hasEnded()) {
      const begin = performance.now();
      await Promise.race([machine.ask(), machine.ended]);
      this.#latencies.push(performance.now() - begin);
      await pause(askEveryMs);
    }
  }

  #figures(): Omit<Outcome, keyof Plan | 'beganMs' | 'overMs'> {
    const { root, isTraced } = this.#scene;
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
    const events = join(root.at().directory, 'memory.events');
    return {
      peakBytes: this.#peakBytes,
      kernelPeakBytes: kernelPeak(root.at()),
      drainedMs: this.#drainedMs,
      doneMs: this.#doneMs,
      ...{ oomKills: keyOf(events, 'oom_kill'), maxHits: keyOf(events, 'max'), questions: sorted.length },
      ...{ p50Ms: at(0.5), p99Ms: at(0.99), worstMs: at(1) },
      frozenMs: this.#frozenMs,
      guardCpuMs: this.#guardCpuMs,
      ...(isTraced ? { trace: this.#trace } : {}),
    };
  }
}

/** As `clock_gettime` of other programs. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** This thread does nothing, and takes no processor time for it. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Bytes of guest memory: what is not page cache. */
function held(cgroup: Cgroup): number {
  const memory = cgroup.memory();
  return memory.known ? memory.value.heldBytes : 0;
}

/** null where the kernel does not count it. */
function keyOf(file: string, key: string): number | null {
  if (!existsSync(file)) return null;
  return Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? Number.NaN);
}

function kernelPeak({ directory, twinDirectory }: Cgroup): number | null {
  const file = twinDirectory ? join(twinDirectory, 'memory.max_usage_in_bytes') : join(directory, 'memory.peak');
  return existsSync(file) ? Number(readFileSync(file, 'utf8')) : null;
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

async function cleanUp(root: CgroupRoot, cgroups: readonly Cgroup[]): Promise<void> {
  for (const cgroup of cgroups) {
    for (let populated = cgroup.populated(); populated.known && populated.value; populated = cgroup.populated())
      await pause(20);
    await cgroup.reclaim();
    await cgroup.remove();
  }
  for (const name of ['vm', 'other']) if (existsSync(root.at(name).directory)) await root.at(name).removeIfEmpty();
  await root.at().removeIfEmpty();
}
