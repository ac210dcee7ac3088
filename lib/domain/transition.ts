/**
 * What may happen to an incarnation, and what follows: every state x every event, decided. A missing cell does not compile.
 * Pure: no clock (events carry their time), no I/O. The effects are data; `lib/daemon/effects.ts` runs them.
 *
 * Failure paths worth knowing:
 *  - a failed launch goes through exiting and draining too: a failed preallocation can hold a terabyte;
 *  - facts that cannot be read make it lost, which keeps every claim and refuses every start, until a read succeeds;
 *  - nothing but a proof leaves exiting (resourcesFree) and draining (memoryGone, then cgroupRemoved).
 */
import type { ErrorCode } from '../errors.ts';
import type {
  BusyResource,
  IncarnationState,
  KnownState,
  Live,
  Outcome,
  OutcomeKind,
  PauseReason,
  ProcessIdentity,
  Proof,
  RamFile,
  Rung,
  StateKind,
  StateOf,
} from './incarnation.ts';

/** Every event carries when it was noticed, milliseconds since the epoch. */
export type Event = { readonly atMs: number } & (
  | { readonly kind: 'startRequested' }
  | { readonly kind: 'forceStartRequested' }
  | { readonly kind: 'shutdownRequested' }
  /** graceful: SIGTERM only, whatever it takes. */
  | { readonly kind: 'destroyRequested'; readonly graceful: boolean }
  | { readonly kind: 'hypervisorSpawned'; readonly hypervisor: ProcessIdentity }
  | { readonly kind: 'launched'; readonly helper: ProcessIdentity | null; readonly ramFiles: readonly RamFile[] }
  | { readonly kind: 'launchFailed'; readonly detail: string }
  /** The guest was shown the power button: QMP's POWERDOWN. */
  | { readonly kind: 'powerdownSeen' }
  | { readonly kind: 'guestPaused'; readonly reason: PauseReason }
  | { readonly kind: 'guestResumed' }
  /** The guest powered off or something asked QEMU to end: QMP's SHUTDOWN. */
  | { readonly kind: 'guestShutdown'; readonly byGuest: boolean }
  /** pidfd fired: every thread of the hypervisor is gone. */
  | {
      readonly kind: 'hypervisorExited';
      readonly exitCode: number | null;
      readonly signal: number | null;
      readonly detail: string | null;
    }
  | { readonly kind: 'resourcesBusy'; readonly busy: readonly BusyResource[] }
  | { readonly kind: 'resourcesFree'; readonly proofs: readonly Proof[] }
  | { readonly kind: 'stalled' }
  | { readonly kind: 'progressed' }
  | { readonly kind: 'memoryGone'; readonly oomKilled: boolean | null }
  | { readonly kind: 'cgroupRemoved' }
  /** The clock of the ladder: SIGKILL is due. */
  | { readonly kind: 'killDue' }
  /** Processes are left in the cgroup although hypervisor and helper were ended. */
  | { readonly kind: 'stragglersDue' }
  | { readonly kind: 'factsUnreadable'; readonly reason: string }
  | { readonly kind: 'factsRead'; readonly hypervisor: 'alive' | 'gone' }
  /** The record is of another boot: nothing of it can exist. */
  | { readonly kind: 'hostRebooted' }
);
export type EventKind = Event['kind'];
type EventOf<K extends EventKind> = Extract<Event, { kind: K }>;

export type Effect =
  /** QMP system_powerdown. */
  | { readonly kind: 'powerdown' }
  | { readonly kind: 'signalHypervisor'; readonly signal: 'SIGTERM' | 'SIGKILL' }
  /** Event killDue after the launch's killAfterMs. */
  | { readonly kind: 'scheduleKill' }
  /** Once, while a helper still holds the address space: which claimed files does it map or hold? */
  | { readonly kind: 'scanHelper' }
  /** SIGKILL to QEMU's own helper, which may otherwise sleep a second; only after the hypervisor is gone. */
  | { readonly kind: 'endHelper' }
  /** Probe every exclusive resource until all are free: resourcesBusy (on change), resourcesFree. */
  | { readonly kind: 'proveFreed' }
  /** Event stragglersDue after killAfterMs, if the cgroup is still populated. */
  | { readonly kind: 'scheduleStragglers' }
  /** cgroup.kill: the last rung. */
  | { readonly kind: 'killCgroup' }
  /** Read what is held until it is proven gone: stalled, progressed, memoryGone. */
  | { readonly kind: 'watchMemory' }
  /** The incarnation's cgroup, then its files: cgroupRemoved when all of it is gone. */
  | { readonly kind: 'removeCgroup' }
  /** Try the facts of a lost incarnation again. */
  | { readonly kind: 'readFacts' }
  /** Take a live hypervisor's pidfd, after checking that it is the recorded one; gone: hypervisorExited. */
  | { readonly kind: 'adoptHypervisor' }
  /** The same, and its monitor: how is the guest after the gap? */
  | { readonly kind: 'followHypervisor' }
  /** Nothing of it is left: let go of what this process holds. */
  | { readonly kind: 'forget' };
export type EffectKind = Effect['kind'];

export type RefusalCode = Extract<
  ErrorCode,
  | 'DOMAIN_ACTIVE'
  | 'DOMAIN_NOT_RUNNING'
  | 'WRONG_STATE'
  | 'INCARNATION_EXITING'
  | 'INCARNATION_LOST'
  | 'INCARNATION_DRAINING'
>;

export type Verdict =
  | { readonly kind: 'to'; readonly state: IncarnationState; readonly effects: readonly Effect[] }
  /** Already true, a repeated hint, or (for a start) no objection. */
  | { readonly kind: 'ignored' }
  | { readonly kind: 'refused'; readonly code: RefusalCode };

type Cell<S extends StateKind, E extends EventKind> =
  | 'ignore'
  | RefusalCode
  | ((state: StateOf<S>, event: EventOf<E>) => Verdict);
type Table = { readonly [S in StateKind]: { readonly [E in EventKind]: Cell<S, E> } };

const ignored: Verdict = { kind: 'ignored' };

function to(state: IncarnationState, ...effects: readonly Effect['kind'][]): Verdict {
  return { kind: 'to', state, effects: effects.map(plainEffect) };
}

/** Effects without data by their kind; the two signals have their own helpers below. */
function plainEffect(kind: Effect['kind']): Effect {
  return kind === 'signalHypervisor' ? { kind, signal: 'SIGKILL' } : { kind };
}

const noOutcome = { exitCode: null, signal: null, rung: 'itself', oomKilled: null, detail: null } as const;

function outcome(kind: OutcomeKind, rung: Rung, detail: string | null = null): Outcome {
  return { ...noOutcome, kind, rung, detail };
}

type Ending = Live | { readonly hypervisor: ProcessIdentity | null };

function exiting(state: Ending, atMs: number, how: Outcome): StateOf<'exiting'> {
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
function destroy(state: Ending, event: EventOf<'destroyRequested'>): Verdict {
  const next = { ...exiting(state, event.atMs, outcome('destroyed', 'SIGTERM')), killFollows: !event.graceful };
  const effects: Effect[] = [{ kind: 'signalHypervisor', signal: 'SIGTERM' }];
  return { kind: 'to', state: next, effects: event.graceful ? effects : [...effects, { kind: 'scheduleKill' }] };
}

const afterHypervisor = ['scanHelper', 'endHelper', 'proveFreed', 'scheduleStragglers'] as const;

/** The hypervisor is gone: keep how, and prove its resources free. */
function gone(state: Ending, how: Outcome, event: EventOf<'hypervisorExited'>): Verdict {
  const seen = { exitCode: event.exitCode, signal: event.signal, detail: how.detail ?? event.detail };
  const ended = exiting(state, event.atMs, { ...how, ...seen });
  return to({ ...ended, hypervisor: null }, ...afterHypervisor);
}

/** It died without being asked to: exit code 0 is a shutdown whose event was overtaken, all else a crash. */
function died(state: Live, event: EventOf<'hypervisorExited'>): Verdict {
  const unseen = event.exitCode === null && event.signal === null;
  const kind = unseen ? 'unknown' : event.exitCode === 0 ? 'shutdown' : 'crashed';
  return gone(state, outcome(kind, 'itself'), event);
}

function failLaunch(state: StateOf<'launching'>, event: EventOf<'launchFailed'>): Verdict {
  const next = exiting(state, event.atMs, outcome('failed', state.hypervisor ? 'SIGKILL' : 'itself', event.detail));
  return state.hypervisor ? to(next, 'signalHypervisor') : to(next, ...afterHypervisor);
}

function lose(state: KnownState, event: EventOf<'factsUnreadable'>): Verdict {
  return to({ kind: 'lost', sinceMs: event.atMs, reason: event.reason, was: state }, 'readFacts');
}

function rebooted(_state: IncarnationState, event: EventOf<'hostRebooted'>): Verdict {
  return to({ kind: 'released', sinceMs: event.atMs, outcome: outcome('host-reboot', 'itself') }, 'forget');
}

/** Facts are readable again: back to what was, or on to what happened meanwhile. */
function found(state: StateOf<'lost'>, event: EventOf<'factsRead'>): Verdict {
  const { was } = state;
  if (was.kind === 'draining') return to(was, 'watchMemory', 'scheduleStragglers');
  if (event.hypervisor === 'alive' && was.hypervisor) {
    // Nobody is left who could finish that launch.
    if (was.kind === 'launching') {
      const how = outcome('failed', 'SIGKILL', 'its launch was interrupted');
      return to(exiting(was, event.atMs, how), 'adoptHypervisor', 'signalHypervisor');
    }
    const killFollows = was.kind === 'exiting' && was.killFollows;
    return killFollows ? to(was, 'followHypervisor', 'scheduleKill') : to(was, 'followHypervisor');
  }
  const how = was.kind === 'exiting' ? was.outcome : outcome('unknown', 'itself');
  return to({ ...exiting(was, event.atMs, how), hypervisor: null }, ...afterHypervisor);
}

const table = {
  launching: {
    startRequested: 'DOMAIN_ACTIVE',
    forceStartRequested: 'DOMAIN_ACTIVE',
    shutdownRequested: 'WRONG_STATE',
    destroyRequested: (s, e) =>
      s.hypervisor ? destroy(s, e) : to({ ...exiting(s, e.atMs, outcome('destroyed', 'itself')), awaitsLaunch: true }),
    hypervisorSpawned: (s, e) => to({ ...s, hypervisor: e.hypervisor }),
    launched: (s, e) =>
      s.hypervisor
        ? to({
            kind: 'running',
            sinceMs: e.atMs,
            reason: 'booted',
            hypervisor: s.hypervisor,
            helper: e.helper,
            ramFiles: e.ramFiles,
          })
        : ignored,
    launchFailed: failLaunch,
    powerdownSeen: 'ignore',
    guestPaused: 'ignore', // -S: it starts stopped
    guestResumed: 'ignore', // `launched` says it
    guestShutdown: 'ignore', // the exit follows
    hypervisorExited: (s, e) => gone(s, outcome('failed', 'itself'), e),
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    killDue: 'ignore',
    stragglersDue: 'ignore',
    factsUnreadable: lose,
    factsRead: 'ignore',
    hostRebooted: rebooted,
  },
  running: {
    startRequested: 'DOMAIN_ACTIVE',
    forceStartRequested: 'DOMAIN_ACTIVE',
    shutdownRequested: (s) => to(s, 'powerdown'),
    destroyRequested: destroy,
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: (s) => to(s), // kept in the journal: the guest was asked
    guestPaused: (s, e) => to({ ...s, kind: 'paused', sinceMs: e.atMs, reason: e.reason }),
    guestResumed: 'ignore',
    guestShutdown: (s, e) => to({ ...live(s), kind: 'stopping', sinceMs: e.atMs, byGuest: e.byGuest }),
    hypervisorExited: died,
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    killDue: 'ignore',
    stragglersDue: 'ignore',
    factsUnreadable: lose,
    factsRead: 'ignore',
    hostRebooted: rebooted,
  },
  paused: {
    startRequested: 'DOMAIN_ACTIVE',
    forceStartRequested: 'DOMAIN_ACTIVE',
    shutdownRequested: 'WRONG_STATE', // a stopped guest cannot see the power button
    destroyRequested: destroy,
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: 'ignore',
    // STOP follows what stopped it, and says nothing of the reason.
    guestPaused: (s, e) => (s.reason === e.reason || e.reason === 'user' ? ignored : to({ ...s, reason: e.reason })),
    guestResumed: (s, e) => to({ ...live(s), kind: 'running', sinceMs: e.atMs, reason: 'unpaused' }),
    guestShutdown: (s, e) => to({ ...live(s), kind: 'stopping', sinceMs: e.atMs, byGuest: e.byGuest }),
    hypervisorExited: died,
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    killDue: 'ignore',
    stragglersDue: 'ignore',
    factsUnreadable: lose,
    factsRead: 'ignore',
    hostRebooted: rebooted,
  },
  stopping: {
    startRequested: 'DOMAIN_ACTIVE',
    forceStartRequested: 'DOMAIN_ACTIVE',
    shutdownRequested: 'ignore',
    destroyRequested: destroy,
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: 'ignore',
    guestPaused: 'ignore',
    guestResumed: 'ignore',
    guestShutdown: 'ignore',
    hypervisorExited: (s, e) =>
      gone(s, outcome(e.signal === null && !e.exitCode ? 'shutdown' : 'crashed', 'itself'), e),
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    killDue: 'ignore', // no clock ends a guest's own shutdown: it may be flushing its disks
    stragglersDue: 'ignore',
    factsUnreadable: lose,
    factsRead: 'ignore',
    hostRebooted: rebooted,
  },
  exiting: {
    startRequested: 'INCARNATION_EXITING',
    forceStartRequested: 'INCARNATION_EXITING',
    shutdownRequested: 'DOMAIN_NOT_RUNNING',
    destroyRequested: (s, e) =>
      e.graceful || !s.hypervisor ? ignored : to({ ...s, killFollows: true }, 'scheduleKill'), // the ladder goes on
    hypervisorSpawned: (s, e) =>
      to(
        { ...s, hypervisor: e.hypervisor, awaitsLaunch: false, outcome: { ...s.outcome, rung: 'SIGKILL' } },
        'signalHypervisor',
      ),
    launched: 'ignore',
    // Only where no exit has started the proofs: a hypervisor that died while starting has said it already.
    launchFailed: (s) => (s.awaitsLaunch ? to({ ...s, awaitsLaunch: false }, ...afterHypervisor) : ignored),
    powerdownSeen: 'ignore',
    guestPaused: 'ignore',
    guestResumed: 'ignore',
    guestShutdown: 'ignore',
    hypervisorExited: (s, e) => (s.hypervisor ? gone(s, s.outcome, { ...e, atMs: s.sinceMs }) : ignored),
    resourcesBusy: (s, e) => (JSON.stringify(s.busy) === JSON.stringify(e.busy) ? ignored : to({ ...s, busy: e.busy })),
    resourcesFree: (s, e) =>
      s.hypervisor || s.awaitsLaunch
        ? ignored
        : to(
            {
              kind: 'draining',
              sinceMs: e.atMs,
              exitingSinceMs: s.sinceMs,
              ramFiles: s.ramFiles,
              outcome: s.outcome,
              freed: e.proofs,
              stalledSinceMs: null,
            },
            'watchMemory',
          ),
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    killDue: (s) =>
      s.hypervisor ? to({ ...s, outcome: { ...s.outcome, rung: 'SIGKILL' } }, 'signalHypervisor') : ignored,
    stragglersDue: (s) => (s.hypervisor ? ignored : to(s, 'killCgroup')),
    factsUnreadable: lose,
    factsRead: 'ignore',
    hostRebooted: rebooted,
  },
  draining: {
    startRequested: 'INCARNATION_DRAINING',
    forceStartRequested: 'ignore', // the operator's explicit choice; the ledger decides
    shutdownRequested: 'DOMAIN_NOT_RUNNING',
    destroyRequested: 'ignore',
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: 'ignore',
    guestPaused: 'ignore',
    guestResumed: 'ignore',
    guestShutdown: 'ignore',
    hypervisorExited: 'ignore',
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: (s, e) => to({ ...s, stalledSinceMs: s.stalledSinceMs ?? e.atMs }),
    progressed: (s) => (s.stalledSinceMs === null ? ignored : to({ ...s, stalledSinceMs: null })),
    memoryGone: (s, e) =>
      to({ ...s, stalledSinceMs: null, outcome: { ...s.outcome, oomKilled: e.oomKilled } }, 'removeCgroup'),
    cgroupRemoved: (s, e) => to({ kind: 'released', sinceMs: e.atMs, outcome: s.outcome }, 'forget'),
    killDue: 'ignore',
    stragglersDue: (s) => to(s, 'killCgroup'),
    factsUnreadable: lose,
    factsRead: 'ignore',
    hostRebooted: rebooted,
  },
  released: {
    startRequested: 'ignore',
    forceStartRequested: 'ignore',
    shutdownRequested: 'DOMAIN_NOT_RUNNING',
    destroyRequested: 'DOMAIN_NOT_RUNNING',
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: 'ignore',
    guestPaused: 'ignore',
    guestResumed: 'ignore',
    guestShutdown: 'ignore',
    hypervisorExited: 'ignore',
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    killDue: 'ignore',
    stragglersDue: 'ignore',
    factsUnreadable: 'ignore',
    factsRead: 'ignore',
    hostRebooted: 'ignore',
  },
  lost: {
    startRequested: 'INCARNATION_LOST',
    forceStartRequested: 'INCARNATION_LOST',
    shutdownRequested: 'INCARNATION_LOST',
    destroyRequested: 'INCARNATION_LOST',
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: 'ignore',
    guestPaused: 'ignore',
    guestResumed: 'ignore',
    guestShutdown: 'ignore',
    hypervisorExited: 'ignore', // read again: factsRead says it
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    killDue: 'ignore',
    stragglersDue: 'ignore',
    factsUnreadable: (s, e) => (s.reason === e.reason ? ignored : to({ ...s, reason: e.reason })),
    factsRead: found,
    hostRebooted: rebooted,
  },
} satisfies Table;

function live(state: Live): Live {
  return { hypervisor: state.hypervisor, helper: state.helper, ramFiles: state.ramFiles };
}

/** The verdict of the table on `event` in `state`. */
export function transition(state: IncarnationState, event: Event): Verdict {
  const cell: RefusalCode | 'ignore' | ((state: never, event: never) => Verdict) = table[state.kind][event.kind];
  if (cell === 'ignore') return ignored;
  if (typeof cell === 'string') return { kind: 'refused', code: cell };
  // The one cast: TypeScript cannot correlate the two unions that pick the cell.
  return (cell as (state: IncarnationState, event: Event) => Verdict)(state, event);
}

export const stateKinds = Object.keys(table) as StateKind[];
export const eventKinds = Object.keys(table.launching) as EventKind[];

/** How a cell reads in documentation: `ignore`, a refusal code, or `decides`. */
export function describeCell(state: StateKind, event: EventKind): string {
  const cell = table[state][event];
  return typeof cell === 'string' ? cell : 'decides';
}
