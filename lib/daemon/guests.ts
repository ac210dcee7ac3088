/** The verbs that act on a live guest: reboot, reset, suspend, resume; and recover, which reads a lost incarnation again. */
import type { GuestAnswer } from '../client/contract.ts';
import type { AskMode, IncarnationState } from '../domain/incarnation.ts';
import { stateReason, stateWord } from '../domain/words.ts';
import { asDomctlError, DomctlError } from '../errors.ts';
import { formatElapsed } from '../format.ts';
import { readFacts } from './facts.ts';
import type { Fleet } from './fleet.ts';
import { refusedVerb } from './refusals.ts';
import type { NewEvent, Supervisor } from './supervisor.ts';
import { withDeadline } from './waiting.ts';

export interface RebootOrder {
  /** undefined: the policy's, as for shutdown. */
  readonly modes: readonly AskMode[] | undefined;
  /** Until the guest has begun anew. */
  readonly wait: boolean;
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal;
}

/** The hypervisor says what it did by an event, a moment after its answer. */
const seenWithinMs = 10_000;

export class Guests {
  readonly #fleet: Fleet;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
  }

  /** Asks the guest and returns; never resets it by force. */
  async reboot(reference: string, order: RebootOrder): Promise<GuestAnswer> {
    const target = this.#fleet.locate(reference);
    const modes = order.modes ?? target.supervisor?.launch.shutdown.modes ?? [];
    const supervisor = await request('reboot', target, { kind: 'rebootRequested', modes });
    if (order.wait) await untilBegunAnew(supervisor, order);
    return answer(supervisor);
  }

  /** As the reset button: the guest is not asked. */
  async reset(reference: string): Promise<GuestAnswer> {
    return answer(await request('reset', this.#fleet.locate(reference), { kind: 'resetRequested' }));
  }

  async suspend(reference: string): Promise<GuestAnswer> {
    const supervisor = await request('suspend', this.#fleet.locate(reference), { kind: 'suspendRequested' });
    return untilSeen(supervisor, ({ kind }) => kind !== 'running');
  }

  async resume(reference: string): Promise<GuestAnswer> {
    const supervisor = await request('resume', this.#fleet.locate(reference), { kind: 'resumeRequested' });
    return untilSeen(supervisor, ({ kind }) => kind !== 'paused');
  }

  /** Reads the facts of a lost incarnation now. Throws INCARNATION_LOST with what still cannot be read. */
  async recover(reference: string): Promise<GuestAnswer> {
    const { entry, supervisor } = this.#fleet.locate(reference);
    if (!supervisor) throw refusedVerb('recover', entry.name, null, 'DOMAIN_NOT_RUNNING');
    if (supervisor.state.kind !== 'lost') return answer(supervisor);
    const found = readFacts(supervisor);
    if (!found.known) throw stillLost(supervisor, found.reason);
    const { work } = await supervisor.tell({ kind: 'factsRead', hypervisor: found.value });
    work.catch(() => undefined); // logged by the supervisor; what matters here is the state
    return answer(supervisor);
  }
}

type Target = ReturnType<Fleet['locate']>;

/** Puts a request to an incarnation and waits for its work. Throws the table's refusal. */
export async function request(verb: string, target: Target, event: NewEvent): Promise<Supervisor> {
  const { supervisor, work } = await accepted(verb, target, event);
  await work;
  return supervisor;
}

/** Asks a guest to shut down. `unasked`: nobody could be asked, but the time it was given runs all the same. */
export async function requestShutdown(
  target: Target,
  event: NewEvent,
): Promise<{ readonly supervisor: Supervisor; readonly unasked: DomctlError | null }> {
  const { supervisor, work } = await accepted('shutdown', target, event);
  try {
    await work;
    return { supervisor, unasked: null };
  } catch (error) {
    const { state } = supervisor;
    const destroyAtMs = 'asked' in state ? (state.asked?.destroyAtMs ?? null) : null;
    if (destroyAtMs === null) throw error;
    const { code, message, hint, details } = asDomctlError(error);
    const when = `it is destroyed at ${new Date(destroyAtMs).toISOString()} all the same`;
    return {
      supervisor,
      unasked: new DomctlError(code, `${message}; ${when}`, { hint: hint ?? undefined, details, cause: error }),
    };
  }
}

async function accepted(
  verb: string,
  { entry, supervisor }: Target,
  event: NewEvent,
): Promise<{ readonly supervisor: Supervisor; readonly work: Promise<void> }> {
  if (!supervisor) throw refusedVerb(verb, entry.name, null, 'DOMAIN_NOT_RUNNING');
  const { verdict, work } = await supervisor.tell(event);
  if (verdict.kind === 'refused') throw refusedVerb(verb, entry.name, supervisor, verdict.code);
  return { supervisor, work };
}

function answer({ launch, state }: Supervisor): GuestAnswer {
  return { name: launch.domain, id: launch.id, state: stateWord(state), reason: stateReason(state) };
}

async function untilSeen(supervisor: Supervisor, isThere: (state: IncarnationState) => boolean): Promise<GuestAnswer> {
  const { launch, ending, state } = supervisor;
  try {
    await withDeadline(seenWithinMs, ending.signal, async (signal) => supervisor.until(isThere, signal));
  } catch (error) {
    if (ending.signal.aborted) throw error;
    throw new DomctlError(
      'DEADLINE_PASSED',
      `the hypervisor of '${launch.domain}' did not say within ${formatElapsed(seenWithinMs)} that it was done`,
      { hint: 'nothing was undone', details: { domain: launch.domain, state: stateWord(state) } },
    );
  }
  return answer(supervisor);
}

async function untilBegunAnew(supervisor: Supervisor, { timeoutMs, signal }: RebootOrder): Promise<void> {
  const isThere = (state: IncarnationState): boolean => !('asked' in state) || state.asked === null;
  try {
    await withDeadline(timeoutMs, signal, async (either) => supervisor.until(isThere, either));
  } catch (error) {
    if (signal.aborted) throw error;
    throw new DomctlError(
      'DEADLINE_PASSED',
      `domain '${supervisor.launch.domain}' has not rebooted after ${formatElapsed(timeoutMs ?? 0)}`,
      { hint: 'it was asked, and nothing was undone', details: { state: stateWord(supervisor.state) } },
    );
  }
}

function stillLost({ launch }: Supervisor, reason: string): DomctlError {
  return new DomctlError(
    'INCARNATION_LOST',
    `cannot recover domain '${launch.domain}': incarnation ${launch.id} still cannot be read: ${reason}`,
    {
      hint: `see that ${launch.cgroup} below the cgroup mount is readable; it is read again every second`,
      details: { domain: launch.domain, incarnation: launch.id },
    },
  );
}
