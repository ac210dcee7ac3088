/**
 * Is the memory gone? The proof of `released`, on readings of the incarnation's cgroup. Unknown is not zero.
 * populated must be 0 by cgroup.events (cgroup.procs is empty too early), held at most the residue of an empty cgroup.
 */
import type { Cgroup } from '../../cgroups/cgroup.ts';
import { type MemoryCharge, residueFloorBytes } from '../../cgroups/memory.ts';
import type { RamFile } from '../domain/incarnation.ts';
import type { Reading } from '../reading.ts';
import { findHolder } from './holders.ts';
import { DrainTracker, type Progress } from './progress.ts';

export type MemoryVerdict =
  /** oomKilled null: nothing was left to read it from. */
  | { readonly kind: 'gone'; readonly oomKilled: boolean | null }
  | { readonly kind: 'held'; readonly bytes: number; readonly populated: boolean }
  | { readonly kind: 'unreadable'; readonly reason: string };

/** Pure: what the two readings prove. */
export function judgeMemory(
  populated: Reading<boolean>,
  memory: Reading<MemoryCharge>,
  floorBytes: number = residueFloorBytes(),
): MemoryVerdict {
  if (!populated.known) return { kind: 'unreadable', reason: populated.reason };
  if (!memory.known) return { kind: 'unreadable', reason: memory.reason };
  const { heldBytes, hugetlbBytes, oomKills } = memory.value;
  if (!populated.value && hugetlbBytes === 0 && heldBytes <= floorBytes)
    return { kind: 'gone', oomKilled: oomKills > 0 };
  return { kind: 'held', bytes: heldBytes, populated: populated.value };
}

export interface MemoryWatch {
  readonly cgroup: Cgroup;
  readonly ramFiles: readonly RamFile[];
  readonly stalledAfterMs: number;
  readonly tracker: DrainTracker;
  readonly signal: AbortSignal;
  /** No process is left, for the first time: files that they wrote to memory may go now. */
  readonly onEmpty?: () => Promise<void>;
  /** Someone outside was seen to keep the memory; null: nobody could be named. */
  onHolder(holder: string | null): void;
  /** Nothing that counts as a fall for stalledAfterMs: the last was `stillMs` ago. */
  onStall(stillMs: number): void;
  /** Memory falls after a stall. */
  onProgress(): void;
}

/** With no process left nothing tells of the end but the next reading. */
const shortPauseMs = 20;
/** While one is left its end wakes us, and readings show progress only: they take processor time from who frees. */
const watchPauseMs = 60;
const longPauseMs = 200;
/** Shorter pauses while the drain is young: most are over by then. */
const youngMs = 3000;
const nameEveryMs = 2000;
/** What cannot be dropped at once (dirty pages) is tried again, no oftener than this. */
const dropEveryMs = 500;
/** With no process left, memory that stays this long is held by someone else. */
const orphanedAfterMs = 200;

/**
 * Reads until the memory is proven gone or the facts cannot be read. Events of the cgroup shorten the pauses; each is only
 * a hint, and the reading decides.
 */
export async function watchMemory(watch: MemoryWatch): Promise<Exclude<MemoryVerdict, { kind: 'held' }>> {
  const pause = pauses(watch);
  const stall = new StallTeller(watch);
  const cache = new CacheDropper(watch.cgroup, watch.onEmpty);
  try {
    for (;;) {
      const verdict = await cache.judge();
      if (verdict.kind !== 'held') return verdict;
      watch.tracker.add({ atMs: performance.now(), heldBytes: verdict.bytes });
      await stall.consider(watch.tracker.progress, verdict.populated);
      await pause.next(verdict.populated);
    }
  } finally {
    pause.stop();
  }
}

/**
 * Page cache is dropped once no process is left: none of it may move to the parent, and on v1 the kernel's own memory for
 * it (about 3 %) counts as held until it goes (test/kernel/drain.test.ts).
 */
class CacheDropper {
  readonly #cgroup: Cgroup;
  #onEmpty: MemoryWatch['onEmpty'];
  #droppedAtMs = Number.NEGATIVE_INFINITY;

  constructor(cgroup: Cgroup, onEmpty: MemoryWatch['onEmpty']) {
    this.#cgroup = cgroup;
    this.#onEmpty = onEmpty;
  }

  async judge(): Promise<MemoryVerdict> {
    const populated = this.#cgroup.populated();
    if (populated.known && !populated.value) await this.#empty();
    return judgeMemory(this.#cgroup.populated(), this.#cgroup.memory());
  }

  async #empty(): Promise<void> {
    const onEmpty = this.#onEmpty;
    this.#onEmpty = undefined;
    await onEmpty?.();
    await this.#drop();
  }

  async #drop(): Promise<void> {
    const memory = this.#cgroup.memory();
    if (!memory.known || memory.value.reclaimableBytes === 0) return;
    if (performance.now() - this.#droppedAtMs < dropEveryMs) return;
    await this.#cgroup.reclaim();
    this.#droppedAtMs = performance.now();
  }
}

/** Tells of a stall and of its end, and who keeps the memory once no process of ours can be the reason. */
class StallTeller {
  readonly #watch: MemoryWatch;
  /** null before the first word: an earlier watch may have told of a stall, and only a fall ends it. */
  #stalled: boolean | null = null;
  #namedAtMs = Number.NEGATIVE_INFINITY;

  constructor(watch: MemoryWatch) {
    this.#watch = watch;
  }

  async consider(progress: Progress | null, populated: boolean): Promise<void> {
    if (!progress) return;
    const stillMs = performance.now() - progress.lastFallMs;
    const stalled = stillMs >= this.#watch.stalledAfterMs;
    if (stalled || (!populated && stillMs >= orphanedAfterMs)) await this.#nameHolder(populated);
    const silent = this.#stalled === null && !stalled && progress.lastFallMs === progress.fromMs;
    if (silent || stalled === this.#stalled) return;
    this.#stalled = stalled;
    if (stalled) this.#watch.onStall(stillMs);
    else this.#watch.onProgress();
  }

  async #nameHolder(populated: boolean): Promise<void> {
    if (performance.now() - this.#namedAtMs < nameEveryMs) return;
    this.#namedAtMs = performance.now();
    const { ramFiles, cgroup } = this.#watch;
    const outside = await findHolder(ramFiles, cgroup.path);
    const inside = populated ? 'processes left in its cgroup' : null;
    this.#watch.onHolder(outside ? `${outside} through memfd '${ramFiles[0]?.name ?? ''}'` : inside);
  }
}

/** Waits for the next reading: a short or a long while, or until cgroup.events changes, or until told to end. */
function pauses(watch: MemoryWatch): { next(populated: boolean): Promise<void>; stop(): void } {
  const startedMs = performance.now();
  const alarm = new Alarm();
  const onHint = (): void => {
    alarm.ring();
  };
  const unwatch = watchHints(watch.cgroup, onHint);
  watch.signal.addEventListener('abort', onHint);
  return {
    async next(populated) {
      const isYoung = performance.now() - startedMs < youngMs;
      await alarm.sleep(isYoung ? (populated ? watchPauseMs : shortPauseMs) : longPauseMs);
      watch.signal.throwIfAborted();
    },
    stop() {
      unwatch();
      watch.signal.removeEventListener('abort', onHint);
    },
  };
}

/** A sleep that can be cut short, before it has begun, too. */
class Alarm {
  #rang = false;
  #wake = (): void => undefined;

  ring(): void {
    this.#rang = true;
    this.#wake();
  }

  async sleep(ms: number): Promise<void> {
    if (!this.#rang) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#rang = false;
  }
}

/** inotify may be used up (EMFILE, ENOSPC) or the directory gone: then the pauses alone do. */
function watchHints(cgroup: Cgroup, onHint: () => void): () => void {
  try {
    return cgroup.watchEvents(onHint);
  } catch {
    return () => undefined;
  }
}
