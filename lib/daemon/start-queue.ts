/**
 * Starts that wait for their turn, in the order they came. Each is on disk before it counts, so that a daemon that comes
 * after serves it too; it ends with its caller, by name, at its deadline, or by a refusal that time cannot lift.
 * Owns membership and order. Must not know: what admits a start.
 */
import type { QueuedStart } from '../admission/ledger.ts';
import type { Ticket, TicketEnd } from '../domain/ticket.ts';
import { DomctlError } from '../errors.ts';
import type { Entry, Fleet } from './fleet.ts';
import type { Services } from './supervisor.ts';
import { Waiter } from './waiter.ts';

export class StartQueue {
  readonly #fleet: Fleet;
  readonly #services: Services;
  #lastNumber = 0;
  #closing = false;

  constructor(fleet: Fleet, services: Services) {
    this.#fleet = fleet;
    this.#services = services;
  }

  /** What is set aside for starts that came before one of this domain: before its ticket, or before now. */
  before(entry: Entry): QueuedStart[] {
    const number = entry.queued?.ticket.number ?? Number.POSITIVE_INFINITY;
    return waitersOf(this.#fleet)
      .filter(({ ticket }) => ticket.number < number && ticket.domain !== entry.name)
      .map(({ ticket }) => ticket);
  }

  /** Takes a place at the end. Throws ALREADY_WAITING. */
  async enter(entry: Entry, wanted: Omit<Ticket, 'number'>): Promise<Waiter> {
    if (entry.queued) throw alreadyWaiting(entry);
    this.#lastNumber += 1;
    const waiter = new Waiter({ ...wanted, number: this.#lastNumber });
    entry.queued = waiter;
    try {
      await this.#services.journal.append({ kind: 'queued', ticket: waiter.ticket });
    } catch (error) {
      entry.queued = null;
      throw error;
    }
    this.#fleet.changed();
    return waiter;
  }

  /** Takes its old place again after a restart. */
  restore(entry: Entry, ticket: Ticket): Waiter {
    this.#lastNumber = Math.max(this.#lastNumber, ticket.number);
    entry.queued = new Waiter(ticket);
    return entry.queued;
  }

  /** Its place is free; that is written down, unless the next daemon is to go on with it. */
  async leave(entry: Entry, { ticket, stopped }: Waiter, end: TicketEnd): Promise<void> {
    if (entry.queued?.ticket === ticket) entry.queued = null;
    this.#fleet.changed();
    if (stopped !== 'daemon ends') await this.forget(ticket, end);
  }

  async forget({ number, domain }: Ticket, end: TicketEnd): Promise<void> {
    this.#services.log.info({ domain, end }, 'queued start');
    try {
      await this.#services.journal.append({ kind: 'dequeued', ticket: number, end }, { stands: true });
    } catch (error) {
      this.#services.log.error({ domain, err: error }, 'journal');
    }
  }

  /** The caller waits for it, and takes it out when it hangs up. Throws ALREADY_WAITING when somebody else does. */
  attend(entry: Entry, waiter: Waiter, caller: AbortSignal): void {
    if (waiter.attended) throw alreadyWaiting(entry);
    waiter.attended = true;
    const onHangUp = (): void => {
      // Whoever ends the daemon hangs up for every caller: they did not.
      if (!this.#closing) waiter.stop('cancelled');
    };
    if (caller.aborted) onHangUp();
    caller.addEventListener('abort', onHangUp, { once: true });
  }

  /** The daemon ends: nobody waits here any more, and the next one goes on. */
  close(): void {
    this.#closing = true;
    for (const waiter of waitersOf(this.#fleet)) waiter.stop('daemon ends');
  }
}

/** In their order. */
export function waitersOf(fleet: Fleet): Waiter[] {
  const waiters = fleet.entries.flatMap(({ queued }) => (queued ? [queued] : []));
  return waiters.toSorted((a, b) => a.ticket.number - b.ticket.number);
}

export function alreadyWaiting({ name }: Pick<Entry, 'name'>): DomctlError {
  return new DomctlError('ALREADY_WAITING', `a start of domain '${name}' is queued already`, {
    hint: `one waiter at a time; the first one is served; 'domctl start ${name} --cancel' takes it out of the queue`,
  });
}

/** How a wait ended that was not admitted, from the waiter and what its loop threw. */
export function endOfWait(entry: Entry, { stopped, refusal }: Waiter): DomctlError {
  if (stopped === 'cancelled')
    return new DomctlError('INTERRUPTED', `queued start of domain '${entry.name}' cancelled`);
  if (stopped === 'daemon ends') {
    return new DomctlError(
      'DAEMON_LOST',
      `the daemon ends; the start of '${entry.name}' stays queued for the next one`,
    );
  }
  return new DomctlError(
    'DEADLINE_PASSED',
    `deadline passed; ${refusal?.message ?? `domain '${entry.name}' was not started`}`,
    { hint: 'nothing was undone', details: refusal?.details },
  );
}
