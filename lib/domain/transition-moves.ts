/** The moves of the table: where an incarnation goes from its state at an event, and what is to be done for it. Pure. */
import type { Effect, EffectKind, Verdict } from './transition-effect.ts';
import type { EventOf } from './transition-event.ts';
import type {
  IncarnationState,
  KnownState,
  Live,
  Outcome,
  OutcomeKind,
  PauseReason,
  ProcessIdentity,
  Rung,
  StateOf,
} from './incarnation.ts';

export const ignored: Verdict = { kind: 'ignored' };

/** Effects without data by their kind alone. */
type PlainEffect =
  Extract<Effect, { kind: EffectKind }> extends infer E
    ? E extends Effect
      ? keyof E extends 'kind'
        ? E['kind']
        : never
      : never
    : never;

export function to(state: IncarnationState, ...effects: readonly (PlainEffect | Effect)[]): Verdict {
  return { kind: 'to', state, effects: effects.map((one) => (typeof one === 'string' ? { kind: one } : one)) };
}

export const sigkill: Effect = { kind: 'signalHypervisor', signal: 'SIGKILL' };

const noOutcome = { exitCode: null, signal: null, rung: 'itself', oomKilled: null, detail: null } as const;

export function outcome(kind: OutcomeKind, rung: Rung, detail: string | null = null): Outcome {
  return { ...noOutcome, kind, rung, detail };
}

/** An OOM kill in its cgroup ended the hypervisor, unless that is known to have ended otherwise: then its helper was the victim. */
export function judgeOomKill(ended: Outcome, killed: boolean | null): Outcome {
  const otherwise = ended.exitCode !== null || ended.rung === 'SIGKILL' || (ended.signal ?? 9) !== 9;
  return { ...ended, oomKilled: otherwise ? false : killed };
}

type Ending = Live | { readonly hypervisor: ProcessIdentity | null };

export function exiting(state: Ending, atMs: number, how: Outcome): StateOf<'exiting'> {
  const { hypervisor } = state;
  const helper = 'helper' in state ? state.helper : null;
  const ramFiles = 'ramFiles' in state ? state.ramFiles : [];
  return {
    kind: 'exiting',
    sinceMs: atMs,
    hypervisor,
    helper,
    ramFiles,
    outcome: how,
    killFollows: false,
    awaitsLaunch: false,
    busy: [],
  };
}

/** destroy of a live hypervisor: SIGTERM now, SIGKILL when its clock runs out (never if graceful). */
export function destroy(
  state: Ending,
  { atMs, graceful }: { readonly atMs: number; readonly graceful: boolean },
): Verdict {
  const next = { ...exiting(state, atMs, outcome('destroyed', 'SIGTERM')), killFollows: !graceful };
  const sigterm: Effect = { kind: 'signalHypervisor', signal: 'SIGTERM' };
  return graceful ? to(next, sigterm) : to(next, sigterm, 'scheduleKill');
}

/** The time a shutdown was given is up; nobody asks any more once it has ended, or was asked something else. */
export function destroyLate(state: StateOf<'running' | 'paused'>, event: EventOf<'destroyDue'>): Verdict {
  const due = state.asked?.destroyAtMs ?? null;
  return due === null || event.atMs < due ? ignored : destroy(state, { atMs: event.atMs, graceful: false });
}

export function askShutdown(state: StateOf<'running'>, { modes, destroyAtMs }: EventOf<'shutdownRequested'>): Verdict {
  const asked = { to: 'shutdown', destroyAtMs, lapsesAtMs: null } as const;
  const ask: Effect = { kind: 'askGuest', to: 'shutdown', modes };
  return destroyAtMs === null ? to({ ...state, asked }, ask) : to({ ...state, asked }, 'scheduleDestroy', ask);
}

/** A guest may install its updates on the way down; one that powers off later than this does so for another reason. */
const rebootWithinMs = 3_600_000;

export function askReboot(state: StateOf<'running'>, { modes, atMs }: EventOf<'rebootRequested'>): Verdict {
  const asked = { to: 'reboot', destroyAtMs: null, lapsesAtMs: atMs + rebootWithinMs } as const;
  return to({ ...state, asked }, { kind: 'askGuest', to: 'reboot', modes });
}

/** Nobody could be asked: nothing is left of it, but the time that was given for it. */
export function unheard(state: StateOf<'running' | 'paused'>): Verdict {
  const isGivenTime = state.asked !== null && state.asked.destroyAtMs !== null;
  return isGivenTime ? ignored : to({ ...state, asked: null }, 'restoreActions');
}

/** Whether the guest is on its way to a reboot that it was asked for. */
export function isRebooting({ asked }: Pick<Live, 'asked'>, atMs: number): boolean {
  return asked?.to === 'reboot' && (asked.lapsesAtMs === null || atMs < asked.lapsesAtMs);
}

/** Powered off: the end, or (asked to reboot, or on_poweroff=restart) the beginning of the next boot in the same incarnation. */
export function poweredOff(state: StateOf<'running' | 'paused'>, event: EventOf<'guestShutdown'>): Verdict {
  // A daemon that ended on the way from power-off to reset: said again to the next one, it is the same power-off.
  const begun = state.kind === 'paused' && state.reason === 'shutting down';
  const rebooting = (begun || isRebooting(state, event.atMs)) && event.byGuest && !event.panicked;
  if (rebooting || event.action === 'restart') {
    const next = { ...live(state), asked: null, kind: 'paused', sinceMs: event.atMs, reason: 'shutting down' } as const;
    return to(next, { kind: 'resetGuest', resume: true });
  }
  const { byGuest, panicked, atMs } = event;
  return to({ ...live(state), kind: 'stopping', sinceMs: atMs, byGuest, panicked }, 'finishShutdown');
}

/** Its kernel panicked. destroy: the hypervisor ends by itself and says so next. */
export function panicked(state: StateOf<'running' | 'paused'>, event: EventOf<'guestPanicked'>): Verdict {
  if (event.action === 'destroy') return ignored;
  const next = { ...live(state), kind: 'paused', sinceMs: event.atMs, reason: 'panicked' } as const;
  return event.action === 'preserve' ? to(next) : to(next, { kind: 'resetGuest', resume: true });
}

export function pausedBy(reason: PauseReason, state: StateOf<'running' | 'paused'>, atMs: number): Verdict {
  return to({ ...live(state), kind: 'paused', sinceMs: state.kind === 'paused' ? state.sinceMs : atMs, reason });
}

/**
 * It stood still already. STOP follows what stopped it and says nothing of the reason, and a brake stops what runs: of one
 * that its owner, a watchdog or an error has stopped before it, it must not say that it goes on by itself.
 */
export function pausedAgain(state: StateOf<'paused'>, { reason }: EventOf<'guestPaused'>): Verdict {
  if (reason === state.reason || reason === 'user' || reason === 'memory') return ignored;
  return to({ ...state, reason });
}

/** What a guest that stands still needs to go on; one whose kernel panicked cannot, one that lacks memory does by itself. */
export function resume(state: StateOf<'paused'>): Verdict {
  switch (state.reason) {
    case 'panicked':
    case 'memory':
      return { kind: 'refused', code: 'WRONG_STATE' };
    case 'shutting down':
      return ignored;
    case 'pmsuspended':
      return to(state, 'wakeGuest');
    default:
      return to(state, 'resumeGuest');
  }
}

/** All it was promised is there: a guest that stood still for it goes on, and no other. */
export function unbrake(state: StateOf<'running' | 'paused' | 'stopping'>): Verdict {
  if (state.brakedSinceMs === null) return ignored;
  const next = { ...state, brakedSinceMs: null };
  return state.kind === 'paused' && state.reason === 'memory' ? to(next, 'resumeGuest') : to(next);
}

/** A guest that stood still for its owner stays so; one that could not go on begins anew. */
export function reset(state: StateOf<'running' | 'paused'>): Verdict {
  const stuck = state.kind === 'paused' && (state.reason === 'panicked' || state.reason === 'shutting down');
  return to({ ...state, asked: null }, { kind: 'resetGuest', resume: stuck });
}

/** It has begun anew: whatever it was asked is done or void. */
export function begunAnew(state: StateOf<'running' | 'paused'>): Verdict {
  if (state.asked === null) return ignored;
  return state.asked.to === 'reboot' ? to({ ...state, asked: null }, 'restoreActions') : to({ ...state, asked: null });
}

export const afterHypervisor = [
  'scanHelper',
  'endHelper',
  'endCompanions',
  'proveFreed',
  'scheduleStragglers',
] as const;

/** The hypervisor is gone: keep how, and prove its resources free. */
export function gone(state: Ending, how: Outcome, event: EventOf<'hypervisorExited'>): Verdict {
  const seen = { exitCode: event.exitCode, signal: event.signal, detail: how.detail ?? event.detail };
  const ended = exiting(state, event.atMs, { ...how, ...seen });
  return to({ ...ended, hypervisor: null }, ...afterHypervisor);
}

/** It died without being asked to: exit code 0 is a shutdown whose event was overtaken, all else a crash. */
export function died(state: Live, event: EventOf<'hypervisorExited'>): Verdict {
  const unseen = event.exitCode === null && event.signal === null;
  const kind = unseen ? 'unknown' : event.exitCode === 0 ? 'shutdown' : 'crashed';
  return gone(state, outcome(kind, 'itself'), event);
}

export function launched({ hypervisor }: StateOf<'launching'>, event: EventOf<'launched'>): Verdict {
  if (!hypervisor) return ignored;
  const { helper, ramFiles, atMs } = event;
  const alive = { sinceMs: atMs, hypervisor, helper, ramFiles, asked: null, brakedSinceMs: event.braked ? atMs : null };
  return event.paused
    ? to({ kind: 'paused', reason: 'starting up', ...alive })
    : to({ kind: 'running', reason: 'booted', ...alive });
}

export function failLaunch(state: StateOf<'launching'>, event: EventOf<'launchFailed'>): Verdict {
  const next = exiting(state, event.atMs, outcome('failed', state.hypervisor ? 'SIGKILL' : 'itself', event.detail));
  return state.hypervisor ? to(next, sigkill) : to(next, ...afterHypervisor);
}

export function lose(state: KnownState, event: EventOf<'factsUnreadable'>): Verdict {
  return to({ kind: 'lost', sinceMs: event.atMs, reason: event.reason, was: state }, 'readFacts');
}

/** What was left of its memory went with the host. How a machine ended that had ended before, the reboot does not change. */
export function rebooted(state: IncarnationState, event: EventOf<'hostRebooted'>): Verdict {
  const last = state.kind === 'lost' ? state.was : state;
  const ended = last.kind === 'draining' || (last.kind === 'exiting' && !last.hypervisor && !last.awaitsLaunch);
  const how = ended ? last.outcome : outcome('host-reboot', 'itself');
  return to({ kind: 'released', sinceMs: event.atMs, outcome: how }, 'forget');
}

/** Facts are readable again: back to what was, or on to what happened meanwhile. */
export function found(state: StateOf<'lost'>, event: EventOf<'factsRead'>): Verdict {
  const { was } = state;
  if (was.kind === 'draining')
    return was.memoryGone ? to(was, 'removeCgroup') : to(was, 'watchMemory', 'scheduleStragglers');
  if (event.hypervisor === 'alive' && was.hypervisor) {
    // Nobody is left who could finish that launch.
    if (was.kind === 'launching') {
      const how = outcome('failed', 'SIGKILL', 'its launch was interrupted');
      return to(exiting(was, event.atMs, how), 'adoptHypervisor', sigkill);
    }
    const killFollows = was.kind === 'exiting' && was.killFollows;
    return killFollows ? to(was, 'followHypervisor', 'scheduleKill') : to(was, 'followHypervisor');
  }
  const how = was.kind === 'exiting' ? was.outcome : outcome('unknown', 'itself');
  return to({ ...exiting(was, event.atMs, how), hypervisor: null }, ...afterHypervisor);
}

export function live(state: Live): Live {
  const { hypervisor, helper, ramFiles, asked, brakedSinceMs } = state;
  return { hypervisor, helper, ramFiles, asked, brakedSinceMs };
}
