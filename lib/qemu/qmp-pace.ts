/**
 * How much a hypervisor is listened to. What was asked for is always read; of what nobody asked for (events, answers to
 * nothing) a little at once and then so much a second: past that it is let wait, and the kernel holds it up. Pure but for
 * the clock that it is given.
 */

/** Messages at once. A hypervisor that behaves says some tens in its life. */
const burst = 4000;
/** Then so many a second: they take less than a twentieth of a processor. */
const perSecond = 2000;
/** A long message is as much work as several. */
const charactersPerMessage = 1024;
/** Shorter rests would cost more than they save. */
const shortestRestMs = 20;

export class Pace {
  #left = burst;
  #atMs: number;

  constructor(nowMs: number) {
    this.#atMs = nowMs;
  }

  /** Notes a message of so many characters that nobody asked for. */
  spend(characters: number): void {
    this.#left -= 1 + characters / charactersPerMessage;
  }

  /** For how long nothing more is to be read, in milliseconds; 0: go on. */
  rest(nowMs: number): number {
    this.#left = Math.min(burst, this.#left + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
    return this.#left >= 0 ? 0 : Math.max(shortestRestMs, (-this.#left / perSecond) * 1000);
  }
}
