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

export interface Progress {
  /** Held at the first sample. */
  readonly fromBytes: number;
  readonly heldBytes: number;
  /** Bytes a second; null while nothing can be said, 0 when nothing falls. */
  readonly rateBytes: number | null;
  readonly etaMs: number | null;
  /** When a byte last fell. */
  readonly lastFallMs: number;
}

export class DrainTracker {
  #first: Sample | null = null;
  #lowest = Number.POSITIVE_INFINITY;
  #lastFallMs = 0;
  #window: Sample[] = [];

  add(sample: Sample): void {
    this.#first ??= sample;
    if (sample.heldBytes < this.#lowest) {
      this.#lowest = sample.heldBytes;
      this.#lastFallMs = sample.atMs;
    }
    this.#window = [...this.#window.filter((old) => old.atMs > sample.atMs - windowMs), sample];
  }

  /** null before the first sample. */
  get progress(): Progress | null {
    const oldest = this.#window.at(0);
    const newest = this.#window.at(-1);
    if (!this.#first || !oldest || !newest) return null;
    const rateBytes = newest.atMs - this.#lastFallMs > quietMs ? 0 : rateBetween(oldest, newest);
    const etaMs = rateBytes
      ? Math.min(Number.MAX_SAFE_INTEGER, Math.ceil((newest.heldBytes / rateBytes) * 1000))
      : null;
    return {
      fromBytes: this.#first.heldBytes,
      heldBytes: newest.heldBytes,
      rateBytes,
      etaMs,
      lastFallMs: this.#lastFallMs,
    };
  }
}

function rateBetween(oldest: Sample, newest: Sample): number | null {
  const spanMs = newest.atMs - oldest.atMs;
  if (spanMs < shortestSpanMs) return null;
  return Math.max(0, Math.round(((oldest.heldBytes - newest.heldBytes) / spanMs) * 1000));
}
