/** A start that waits: looked at again whenever something changed, until it is admitted or no longer worth it. */
import type { StartAnswer } from '../client/contract.ts';
import type { Ticket, TicketEnd } from '../domain/ticket.ts';
import { DomctlError, type ErrorCode } from '../errors.ts';
import { readBootId } from '../host/inventory.ts';
import type { Entry, Fleet } from './fleet.ts';
import { alreadyWaiting, endOfWait, type StartQueue } from './start-queue.ts';
import type { Waiter } from './waiter.ts';
import type { Admission, StartOrder } from './start-order.ts';
import type { Services } from './supervisor.ts';
import { withDeadline } from './waiting.ts';

/** Refusals that time may lift: a queued start looks again. */
const mayPass: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'INCARNATION_EXITING',
  'INCARNATION_LOST',
  'INCARNATION_DRAINING',
  'READING_UNKNOWN',
  'CLAIM_CONFLICT',
  'MEMORY_DRAINING',
  'MEMORY_SHORT',
]);

/** Memory falls without an event: a queued start looks this often, and at every change of state. */
const lookAgainMs = 1000;

/** What a start is tried with, and finished. */
interface Parts {
  readonly fleet: Fleet;
  readonly services: Services;
  readonly queue: StartQueue;
  attempt(entry: Entry, order: StartOrder): Promise<Admission>;
  launch(entry: Entry, order: StartOrder, admission: Admission): Promise<StartAnswer>;
}

export class WaitingStarts {
  readonly #parts: Parts;
  /** What those give in the end that an earlier daemon left behind. */
  readonly #left = new Map<Waiter, Promise<StartAnswer>>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Starts the domain at the first moment it is admitted. Throws the refusal, DEADLINE_PASSED, INTERRUPTED. */
  async start(entry: Entry, order: StartOrder): Promise<StartAnswer> {
    if (entry.queued) return this.#takeUp(entry, entry.queued, order);
    const first = await this.#parts.attempt(entry, order);
    if (!isWorthWaiting(first)) return this.#parts.launch(entry, order, first);
    const waiter = await this.#parts.queue.enter(entry, this.#ticketOf(entry, order, first));
    waiter.refusal = first.error;
    this.#parts.queue.attend(entry, waiter, order.signal);
    return this.#serve(entry, waiter, order);
  }

  /** Takes the places that an earlier daemon had given, in their order; `serve` goes on with them. */
  async restore(tickets: readonly Ticket[]): Promise<void> {
    for (const ticket of tickets) {
      const entry = this.#parts.fleet.entries.find(({ definition }) => definition?.uuid === ticket.uuid);
      if (entry && ticket.bootId === readBootId()) this.#parts.queue.restore(entry, ticket);
      else await this.#parts.queue.forget(ticket, 'refused');
    }
  }

  serve(): void {
    for (const entry of this.#parts.fleet.entries) {
      const { queued } = entry;
      if (!queued) continue;
      const served = this.#serve(entry, queued, orderOf(queued.ticket));
      this.#left.set(queued, served);
      served.catch((error: unknown) => {
        this.#parts.services.log.warn({ domain: entry.name, err: error }, 'a start queued before did not come to pass');
      });
    }
  }

  /** A caller comes back for the start it had queued, for as long as it likes to wait. Throws ALREADY_WAITING. */
  async #takeUp(entry: Entry, waiter: Waiter, order: StartOrder): Promise<StartAnswer> {
    const left = this.#left.get(waiter);
    if (!left || waiter.ticket.force !== order.force) throw alreadyWaiting(entry);
    this.#parts.queue.attend(entry, waiter, order.signal);
    const { timeoutMs } = order;
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => waiter.stop('timed out'), timeoutMs);
    return left.finally(() => clearTimeout(timer));
  }

  #ticketOf(entry: Entry, order: StartOrder, { preparation }: Admission): Omit<Ticket, 'number'> {
    const sinceMs = this.#parts.services.clock.now();
    const timeoutMs = order.timeoutMs ?? preparation.policy.value.start.queueTimeoutMs;
    return {
      domain: entry.name,
      uuid: preparation.domain.uuid,
      bootId: readBootId(),
      force: order.force,
      paused: order.paused,
      promisedBytes: preparation.promisedBytes,
      sinceMs,
      deadlineMs: timeoutMs === null ? null : sinceMs + timeoutMs,
      requester: order.requester,
    };
  }

  async #serve(entry: Entry, waiter: Waiter, order: StartOrder): Promise<StartAnswer> {
    let end: TicketEnd = 'refused';
    try {
      const admission = await this.#untilAdmitted(entry, waiter, order);
      end = admission.error ? 'refused' : 'started';
      return await this.#parts.launch(entry, order, admission);
    } catch (error) {
      if (end === 'refused' && error instanceof DomctlError) end = endOf(error);
      throw error;
    } finally {
      await this.#parts.queue.leave(entry, waiter, end);
      this.#left.delete(waiter);
    }
  }

  async #untilAdmitted(entry: Entry, waiter: Waiter, order: StartOrder): Promise<Admission> {
    const { fleet, attempt, services } = this.#parts;
    const { deadlineMs } = waiter.ticket;
    const leftMs = deadlineMs === null ? null : Math.max(0, deadlineMs - services.clock.now());
    try {
      return await withDeadline(leftMs, waiter.signal, async (signal) => {
        for (;;) {
          const admission = await attempt(entry, order);
          waiter.refusal = admission.error;
          if (!isWorthWaiting(admission)) return admission;
          await fleet.nextChange(lookAgainMs, signal);
        }
      });
    } catch (error) {
      if (error instanceof DomctlError && waiter.stopped === null) throw error;
      throw endOfWait(entry, waiter);
    }
  }
}

function endOf({ code }: DomctlError): TicketEnd {
  if (code === 'DEADLINE_PASSED') return 'timed out';
  return code === 'INTERRUPTED' ? 'cancelled' : 'refused';
}

/** A domain that does not fit the host at all would only keep others from it. */
function isWorthWaiting({ error, decision: { refusal, arithmetic } }: Admission): boolean {
  if (!error) return false;
  if (refusal?.code === 'POLICY_FORBIDS') return refusal.rule !== 'forceStart.allow';
  if (arithmetic && arithmetic.promisedNewBytes > arithmetic.capacityBytes) return false;
  return mayPass.has(error.code);
}

function orderOf({ force, paused, requester }: Ticket): StartOrder {
  const { signal } = new AbortController();
  return { force, paused, requester, dryRun: false, wait: true, timeoutMs: undefined, signal };
}
