/** One teardown, or one restart, of one contender. */
import { busyUs } from '../machine.ts';
import { type Contender, nowMs } from './contender.ts';
import type { Guest } from './guest.ts';
import { backMs, chargedUs, heldAt, type Sight, watch } from './watch.ts';

/** Milliseconds from the stop request. */
export interface Teardown {
  readonly contender: string;
  readonly gib: number;
  readonly pages: Guest['pages'];
  readonly lockFreeMs: number;
  readonly goneMs: number;
  readonly backMs: number;
  readonly saidOffMs: number;
  /** Guest memory still held when the contender said off. */
  readonly heldWhenOffBytes: number;
  readonly chargedUs: number;
  /** All the machine worked meanwhile, less the watching and less what it did before in as much time. */
  readonly machineUs: number;
  /** What the machine did before, in CPUs: more than a little, and machineUs says nothing. */
  readonly idle: number;
}

export interface Restart {
  readonly contender: string;
  readonly gib: number;
  readonly ms: number;
  /** What the machine did before, in CPUs. */
  readonly idle: number;
}

/** A machine is quiet when in so long a time less than so much of a processor was busy; that is waited for so long. */
const quietMs = 300;
const quietCpus = 0.15;

export function isQuiet({ idle }: { readonly idle: number }): boolean {
  return idle < quietCpus;
}

/** What was measured on a quiet machine; all of it where nothing was. */
export function quietOf<T extends { readonly idle: number }>(runs: readonly T[]): readonly T[] {
  const quiet = runs.filter(isQuiet);
  return quiet.length > 0 ? quiet : runs;
}
const patienceMs = 10_000;

/** Until the machine is quiet, or patience is over; the processors that were busy last, less than 0.15 if it is. */
export async function untilQuiet(): Promise<number> {
  const endMs = nowMs() + patienceMs;
  for (;;) {
    const before = { us: busyUs(), ms: nowMs() };
    await new Promise((resolve) => setTimeout(resolve, quietMs));
    const cpus = (busyUs() - before.us) / (nowMs() - before.ms) / 1000;
    if (cpus < quietCpus || nowMs() > endMs) return cpus;
  }
}

/** `ownUs` tells what the benchmark and the contender's daemon have used themselves. */
export async function measureTeardown(
  contender: Contender,
  guest: Guest,
  tools: { readonly stopwatch: string; ownUs(): Promise<number> },
): Promise<Teardown> {
  const live = await contender.start(guest);
  try {
    const idle = await untilQuiet();
    const see = await watch(tools.stopwatch, live, guest);
    const [own, busy, began] = [await tools.ownUs(), busyUs(), nowMs()];
    await live.stop();
    const offMs = nowMs();
    const sight = await see();
    const others = idle * 1000 * (nowMs() - began) + (await tools.ownUs()) - own + sight.ownUs;
    const machineUs = busyUs() - busy - others;
    return {
      contender: contender.name,
      gib: guest.gib,
      pages: guest.pages,
      ...timesOf(sight, guest, began, offMs),
      machineUs,
      idle,
    };
  } finally {
    await live.clear();
  }
}

function timesOf(
  sight: Sight,
  guest: Guest,
  began: number,
  off: number,
): Omit<Teardown, 'contender' | 'gib' | 'pages' | 'machineUs' | 'idle'> {
  return {
    lockFreeMs: sight.lockFreeMs - began,
    goneMs: sight.goneMs - began,
    backMs: backMs(sight, guest) - began,
    saidOffMs: off - began,
    heldWhenOffBytes: heldAt(sight, guest, off),
    chargedUs: chargedUs(sight),
  };
}

export async function measureRestart(contender: Contender, guest: Guest): Promise<Restart> {
  const live = await contender.start(guest);
  try {
    await live.prepareRestart();
    const idle = await untilQuiet();
    const began = nowMs();
    await live.restart();
    return { contender: contender.name, gib: guest.gib, ms: nowMs() - began, idle };
  } finally {
    await live.clear();
  }
}
