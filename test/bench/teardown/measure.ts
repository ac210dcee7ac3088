/** One teardown, or one restart, of one contender. */
import { busyUs } from './machine.ts';
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
}

const quietMs = 300;

async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** `ownUs` tells what the benchmark and the contender's daemon have used themselves. */
export async function measureTeardown(
  contender: Contender,
  guest: Guest,
  tools: { readonly stopwatch: string; ownUs(): Promise<number> },
): Promise<Teardown> {
  const live = await contender.start(guest);
  try {
    const quiet = { us: busyUs(), ms: nowMs() };
    await pause(quietMs);
    const idle = (busyUs() - quiet.us) / (nowMs() - quiet.ms);
    const see = await watch(tools.stopwatch, live, guest);
    const [own, busy, began] = [await tools.ownUs(), busyUs(), nowMs()];
    await live.stop();
    const offMs = nowMs();
    const sight = await see();
    const others = idle * (nowMs() - began) + (await tools.ownUs()) - own + sight.ownUs;
    const machineUs = busyUs() - busy - others;
    return {
      contender: contender.name,
      gib: guest.gib,
      pages: guest.pages,
      ...timesOf(sight, guest, began, offMs),
      machineUs,
      idle: idle / 1000,
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
    await pause(quietMs);
    const began = nowMs();
    await live.restart();
    return { contender: contender.name, gib: guest.gib, ms: nowMs() - began };
  } finally {
    await live.clear();
  }
}
