/** One start that waits: its ticket, why it still does, and how it is told to stop. */
import type { Ticket } from '../domain/ticket.ts';
import type { DomctlError } from '../errors.ts';

/** Why a wait ends before its admission. */
type Stop = 'cancelled' | 'timed out' | 'daemon ends';

/** One start that waits. */
export class Waiter {
  readonly ticket: Ticket;
  /** Why it was not admitted when it was last looked at. */
  refusal: DomctlError | null = null;
  /** Somebody listens for the answer; nobody does to one that an earlier daemon left behind. */
  attended = false;
  readonly #stopping = new AbortController();

  constructor(ticket: Ticket) {
    this.ticket = ticket;
  }

  /** Aborts when it is to wait no longer. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  get stopped(): Stop | null {
    return this.signal.aborted ? (this.signal.reason as Stop) : null;
  }

  stop(reason: Stop): void {
    this.#stopping.abort(reason);
  }
}
