/** How fast memory comes back: pure arithmetic over samples. Progress-based: while bytes fall it drains, however long. */

export interface Sample {
  readonly atMs: number;
  readonly heldBytes: number;
}

/** The rate is taken over this much of the past. */
const windowMs = 3000;
/** Nothing fell for so long: the past says nothing about what comes. */
const quietMs = 400;
/** Less time than this between two samples says nothing about a rate. */
const shortestSpanMs = 50;
/**
 * Less is no fall: the kernel charges in batches of 64 pages a processor (mm/memcontrol.c, MEMCG_CHARGE_BATCH) and frees its
 * own pages when it likes, so that memory which nobody gives back goes down by some KiB now and then. A drip is added up.
 */
const leastFallBytes = 1024 ** 2;
/** Of what is held, where that is less: the end of a drain counts, too. */
const leastFallShare = 1 / 64;

export interface Progress {
  /** Held at the first sample. */
  readonly fromBytes: number;
  /** When that was. */
  readonly fromMs: number;
  readonly heldBytes: number;
  /** Bytes a second; null while nothing can be said, 0 when nothing falls. */
  readonly rateBytes: number | null;
  readonly etaMs: number | null;
  /** When memory last fell by so much that it counts; `fromMs` before it has. */
  readonly lastFallMs: number;
}

export class DrainTracker {
  #first: Sample | null = null;
  /** As low as it ever was, and since when. */
  #lowest: Sample | null = null;
  /** The last fall that counts: to where, and when. */
  #fall: Sample | null = null;
  #window: Sample[] = [];

  add(sample: Sample): void {
    this.#first ??= sample;
    if (!this.#lowest || sample.heldBytes < this.#lowest.heldBytes) this.#lowest = sample;
    if (!this.#fall || isFall(this.#fall.heldBytes, sample.heldBytes)) this.#fall = sample;
    this.#window = [...this.#window.filter((old) => old.atMs > sample.atMs - windowMs), sample];
  }

  /** null before the first sample. */
  get progress(): Progress | null {
    const oldest = this.#window.at(0);
    const newest = this.#window.at(-1);
    if (!this.#first || !this.#lowest || !this.#fall || !oldest || !newest) return null;
    const rateBytes = newest.atMs - this.#lowest.atMs > quietMs ? 0 : rateBetween(oldest, newest);
    const etaMs = rateBytes
      ? Math.min(Number.MAX_SAFE_INTEGER, Math.ceil((newest.heldBytes / rateBytes) * 1000))
      : null;
    return {
      fromBytes: this.#first.heldBytes,
      fromMs: this.#first.atMs,
      heldBytes: newest.heldBytes,
      rateBytes,
      etaMs,
      lastFallMs: this.#fall.atMs,
    };
  }
}

function isFall(fromBytes: number, toBytes: number): boolean {
  return toBytes < fromBytes && fromBytes - toBytes >= Math.min(leastFallBytes, fromBytes * leastFallShare);
}

function rateBetween(oldest: Sample, newest: Sample): number | null {
  const spanMs = newest.atMs - oldest.atMs;
  if (spanMs < shortestSpanMs) return null;
  return Math.max(0, Math.round(((oldest.heldBytes - newest.heldBytes) / spanMs) * 1000));
}
