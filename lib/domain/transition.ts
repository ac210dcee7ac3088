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
import type { Lifecycle } from './definition.ts';
import type {
  AskMode,
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
  /** `modes` in the order in which they are tried; destroyed at `destroyAtMs` if it has not ended; null: never. */
  | { readonly kind: 'shutdownRequested'; readonly modes: readonly AskMode[]; readonly destroyAtMs: number | null }
  | { readonly kind: 'rebootRequested'; readonly modes: readonly AskMode[] }
  | { readonly kind: 'resetRequested' }
  | { readonly kind: 'suspendRequested' }
  | { readonly kind: 'resumeRequested' }
  /** graceful: SIGTERM only, whatever it takes. */
  | { readonly kind: 'destroyRequested'; readonly graceful: boolean }
  | { readonly kind: 'hypervisorSpawned'; readonly hypervisor: ProcessIdentity }
  /** paused: it was to be started so, and its processors have not run. */
  | {
      readonly kind: 'launched';
      readonly helper: ProcessIdentity | null;
      readonly ramFiles: readonly RamFile[];
      readonly paused: boolean;
    }
  | { readonly kind: 'launchFailed'; readonly detail: string }
  /** The guest was shown the power button: QMP's POWERDOWN. */
  | { readonly kind: 'powerdownSeen' }
  | { readonly kind: 'guestPaused'; readonly reason: PauseReason }
  | { readonly kind: 'guestResumed' }
  /**
   * The guest powered off or something asked QEMU to end: QMP's SHUTDOWN. `action` is the definition's for this cause;
   * panicked: it is the end of a guest whose kernel did.
   */
  | {
      readonly kind: 'guestShutdown';
      readonly byGuest: boolean;
      readonly action: 'destroy' | 'restart';
      readonly panicked: boolean;
    }
  /** QMP's GUEST_PANICKED; `action` is the definition's on_crash. */
  | { readonly kind: 'guestPanicked'; readonly action: Lifecycle['onCrash'] }
  /** QMP's WATCHDOG; QEMU has done what `action` says. */
  | { readonly kind: 'watchdogFired'; readonly action: string }
  /** QMP's BLOCK_IO_ERROR; stop: the guest is held until somebody resumes it. */
  | { readonly kind: 'diskFailed'; readonly action: string }
  /** Nobody in the guest could be asked. */
  | { readonly kind: 'askFailed' }
  /** QMP's RESET, whoever caused it. */
  | { readonly kind: 'guestReset' }
  /** pidfd fired: every thread of the hypervisor is gone. */
  | {
      readonly kind: 'hypervisorExited';
      readonly exitCode: number | null;
      readonly signal: number | null;
      readonly detail: string | null;
    }
  | { readonly kind: 'resourcesBusy'; readonly busy: readonly BusyResource[] }
  | { readonly kind: 'resourcesFree'; readonly proofs: readonly Proof[] }
  /** `stillMs`: so long ago a byte last fell. */
  | { readonly kind: 'stalled'; readonly stillMs: number }
  | { readonly kind: 'progressed' }
  | { readonly kind: 'memoryGone'; readonly oomKilled: boolean | null }
  | { readonly kind: 'cgroupRemoved' }
  /** The time is up that a shutdown was given. */
  | { readonly kind: 'destroyDue' }
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
  /** Ask the guest, by the first of `modes` that answers. */
  | { readonly kind: 'askGuest'; readonly to: 'shutdown' | 'reboot'; readonly modes: readonly AskMode[] }
  /** Event destroyDue at the state's `asked.destroyAtMs`. */
  | { readonly kind: 'scheduleDestroy' }
  /** QMP system_reset, and what a powered-off guest does from now on is the definition's word again. */
  | { readonly kind: 'resetGuest'; readonly resume: boolean }
  /** That alone: the guest has reset itself. */
  | { readonly kind: 'restoreActions' }
  /** QMP stop, cont, system_wakeup. */
  | { readonly kind: 'stopGuest' }
  | { readonly kind: 'resumeGuest' }
  | { readonly kind: 'wakeGuest' }
  /** A hypervisor that stays after its guest's power-off is asked to end; one that ends by itself is left to. */
  | { readonly kind: 'finishShutdown' }
  | { readonly kind: 'signalHypervisor'; readonly signal: 'SIGTERM' | 'SIGKILL' }
  /** Event killDue after the launch's killAfterMs. */
  | { readonly kind: 'scheduleKill' }
  /** Once, while a helper still holds the address space: which claimed files does it map or hold? */
  | { readonly kind: 'scanHelper' }
  /** Only after the hypervisor is gone: ours is waited for, QEMU's gets SIGKILL, or it may sleep for a second. */
  | { readonly kind: 'endHelper' }
  /** SIGKILL to a helper under which no byte falls any more: its exit frees the rest. */
  | { readonly kind: 'endStuckHelper' }
  /** The ladder of the hypervisor's companions (swtpm, virtiofsd): only after the hypervisor is gone. */
  | { readonly kind: 'endCompanions' }
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

/** Effects without data by their kind alone. */
type PlainEffect =
  Extract<Effect, { kind: EffectKind }> extends infer E
    ? E extends Effect
      ? keyof E extends 'kind'
        ? E['kind']
        : never
      : never
    : never;

function to(state: IncarnationState, ...effects: readonly (PlainEffect | Effect)[]): Verdict {
  return { kind: 'to', state, effects: effects.map((one) => (typeof one === 'string' ? { kind: one } : one)) };
}

const sigkill: Effect = { kind: 'signalHypervisor', signal: 'SIGKILL' };

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
function destroy(state: Ending, { atMs, graceful }: { readonly atMs: number; readonly graceful: boolean }): Verdict {
  const next = { ...exiting(state, atMs, outcome('destroyed', 'SIGTERM')), killFollows: !graceful };
  const sigterm: Effect = { kind: 'signalHypervisor', signal: 'SIGTERM' };
  return graceful ? to(next, sigterm) : to(next, sigterm, 'scheduleKill');
}

/** The time a shutdown was given is up; nobody asks any more once it has ended, or was asked something else. */
function destroyLate(state: StateOf<'running' | 'paused'>, event: EventOf<'destroyDue'>): Verdict {
  const due = state.asked?.destroyAtMs ?? null;
  return due === null || event.atMs < due ? ignored : destroy(state, { atMs: event.atMs, graceful: false });
}

function askShutdown(state: StateOf<'running'>, { modes, destroyAtMs }: EventOf<'shutdownRequested'>): Verdict {
  const asked = { to: 'shutdown', destroyAtMs, lapsesAtMs: null } as const;
  const ask: Effect = { kind: 'askGuest', to: 'shutdown', modes };
  return destroyAtMs === null ? to({ ...state, asked }, ask) : to({ ...state, asked }, 'scheduleDestroy', ask);
}

/** A guest may install its updates on the way down; one that powers off later than this does so for another reason. */
const rebootWithinMs = 3_600_000;

function askReboot(state: StateOf<'running'>, { modes, atMs }: EventOf<'rebootRequested'>): Verdict {
  const asked = { to: 'reboot', destroyAtMs: null, lapsesAtMs: atMs + rebootWithinMs } as const;
  return to({ ...state, asked }, { kind: 'askGuest', to: 'reboot', modes });
}

/** Nobody could be asked: nothing is left of it, but the time that was given for it. */
function unheard(state: StateOf<'running' | 'paused'>): Verdict {
  const isGivenTime = state.asked !== null && state.asked.destroyAtMs !== null;
  return isGivenTime ? ignored : to({ ...state, asked: null }, 'restoreActions');
}

/** Whether the guest is on its way to a reboot that it was asked for. */
export function isRebooting({ asked }: Pick<Live, 'asked'>, atMs: number): boolean {
  return asked?.to === 'reboot' && (asked.lapsesAtMs === null || atMs < asked.lapsesAtMs);
}

/** Powered off: the end, or (asked to reboot, or on_poweroff=restart) the beginning of the next boot in the same incarnation. */
function poweredOff(state: StateOf<'running' | 'paused'>, event: EventOf<'guestShutdown'>): Verdict {
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
function panicked(state: StateOf<'running' | 'paused'>, event: EventOf<'guestPanicked'>): Verdict {
  if (event.action === 'destroy') return ignored;
  const next = { ...live(state), kind: 'paused', sinceMs: event.atMs, reason: 'panicked' } as const;
  return event.action === 'preserve' ? to(next) : to(next, { kind: 'resetGuest', resume: true });
}

function pausedBy(reason: PauseReason, state: StateOf<'running' | 'paused'>, atMs: number): Verdict {
  return to({ ...live(state), kind: 'paused', sinceMs: state.kind === 'paused' ? state.sinceMs : atMs, reason });
}

/** What a guest that stands still needs to go on; one whose kernel panicked cannot. */
function resume(state: StateOf<'paused'>): Verdict {
  switch (state.reason) {
    case 'panicked':
      return { kind: 'refused', code: 'WRONG_STATE' };
    case 'shutting down':
      return ignored;
    case 'pmsuspended':
      return to(state, 'wakeGuest');
    default:
      return to(state, 'resumeGuest');
  }
}

/** A guest that stood still for its owner stays so; one that could not go on begins anew. */
function reset(state: StateOf<'running' | 'paused'>): Verdict {
  const stuck = state.kind === 'paused' && (state.reason === 'panicked' || state.reason === 'shutting down');
  return to({ ...state, asked: null }, { kind: 'resetGuest', resume: stuck });
}

/** It has begun anew: whatever it was asked is done or void. */
function begunAnew(state: StateOf<'running' | 'paused'>): Verdict {
  if (state.asked === null) return ignored;
  return state.asked.to === 'reboot' ? to({ ...state, asked: null }, 'restoreActions') : to({ ...state, asked: null });
}

const afterHypervisor = ['scanHelper', 'endHelper', 'endCompanions', 'proveFreed', 'scheduleStragglers'] as const;

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

function launched({ hypervisor }: StateOf<'launching'>, event: EventOf<'launched'>): Verdict {
  if (!hypervisor) return ignored;
  const { helper, ramFiles, atMs } = event;
  const alive = { sinceMs: atMs, hypervisor, helper, ramFiles, asked: null };
  return event.paused
    ? to({ kind: 'paused', reason: 'starting up', ...alive })
    : to({ kind: 'running', reason: 'booted', ...alive });
}

function failLaunch(state: StateOf<'launching'>, event: EventOf<'launchFailed'>): Verdict {
  const next = exiting(state, event.atMs, outcome('failed', state.hypervisor ? 'SIGKILL' : 'itself', event.detail));
  return state.hypervisor ? to(next, sigkill) : to(next, ...afterHypervisor);
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
      return to(exiting(was, event.atMs, how), 'adoptHypervisor', sigkill);
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
    rebootRequested: 'WRONG_STATE',
    resetRequested: 'WRONG_STATE',
    suspendRequested: 'WRONG_STATE',
    resumeRequested: 'WRONG_STATE',
    destroyRequested: (s, e) =>
      s.hypervisor ? destroy(s, e) : to({ ...exiting(s, e.atMs, outcome('destroyed', 'itself')), awaitsLaunch: true }),
    hypervisorSpawned: (s, e) => to({ ...s, hypervisor: e.hypervisor }),
    launched,
    launchFailed: failLaunch,
    powerdownSeen: 'ignore',
    guestPaused: 'ignore', // -S: it starts stopped
    guestResumed: 'ignore', // `launched` says it
    guestShutdown: 'ignore', // the exit follows
    guestPanicked: 'ignore',
    watchdogFired: 'ignore',
    diskFailed: 'ignore',
    askFailed: 'ignore',
    guestReset: 'ignore',
    hypervisorExited: (s, e) => gone(s, outcome('failed', 'itself'), e),
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    destroyDue: 'ignore',
    killDue: 'ignore',
    stragglersDue: 'ignore',
    factsUnreadable: lose,
    factsRead: 'ignore',
    hostRebooted: rebooted,
  },
  running: {
    startRequested: 'DOMAIN_ACTIVE',
    forceStartRequested: 'DOMAIN_ACTIVE',
    shutdownRequested: askShutdown,
    rebootRequested: askReboot,
    resetRequested: reset,
    suspendRequested: (s) => to(s, 'stopGuest'),
    resumeRequested: 'DOMAIN_ACTIVE',
    destroyRequested: destroy,
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: (s) => to(s), // kept in the journal: the guest was asked
    guestPaused: (s, e) => to({ ...s, kind: 'paused', sinceMs: e.atMs, reason: e.reason }),
    guestResumed: 'ignore',
    guestShutdown: poweredOff,
    guestPanicked: panicked,
    watchdogFired: (s, e) => (e.action === 'pause' ? pausedBy('watchdog', s, e.atMs) : ignored),
    diskFailed: (s, e) => (e.action === 'stop' ? pausedBy('I/O error', s, e.atMs) : ignored),
    askFailed: unheard,
    guestReset: begunAnew,
    hypervisorExited: died,
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    destroyDue: destroyLate,
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
    rebootRequested: 'WRONG_STATE',
    resetRequested: reset,
    suspendRequested: 'ignore',
    resumeRequested: resume,
    destroyRequested: destroy,
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: 'ignore',
    // STOP follows what stopped it, and says nothing of the reason.
    guestPaused: (s, e) => (s.reason === e.reason || e.reason === 'user' ? ignored : to({ ...s, reason: e.reason })),
    guestResumed: (s, e) => to({ ...live(s), kind: 'running', sinceMs: e.atMs, reason: 'unpaused' }),
    guestShutdown: poweredOff,
    guestPanicked: panicked,
    watchdogFired: (s, e) => (e.action === 'pause' ? pausedBy('watchdog', s, e.atMs) : ignored),
    diskFailed: (s, e) => (e.action === 'stop' ? pausedBy('I/O error', s, e.atMs) : ignored),
    askFailed: unheard,
    guestReset: begunAnew,
    hypervisorExited: died,
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    destroyDue: destroyLate,
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
    rebootRequested: 'WRONG_STATE',
    resetRequested: 'WRONG_STATE',
    suspendRequested: 'WRONG_STATE',
    resumeRequested: 'WRONG_STATE',
    destroyRequested: destroy,
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: 'ignore',
    guestPaused: 'ignore',
    guestResumed: 'ignore',
    guestShutdown: 'ignore',
    guestPanicked: 'ignore',
    watchdogFired: 'ignore',
    diskFailed: 'ignore',
    askFailed: 'ignore',
    guestReset: 'ignore',
    hypervisorExited: (s, e) =>
      gone(s, outcome(e.signal === null && !e.exitCode && !s.panicked ? 'shutdown' : 'crashed', 'itself'), e),
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    destroyDue: 'ignore',
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
    rebootRequested: 'DOMAIN_NOT_RUNNING',
    resetRequested: 'DOMAIN_NOT_RUNNING',
    suspendRequested: 'DOMAIN_NOT_RUNNING',
    resumeRequested: 'DOMAIN_NOT_RUNNING',
    destroyRequested: (s, e) =>
      e.graceful || !s.hypervisor ? ignored : to({ ...s, killFollows: true }, 'scheduleKill'), // the ladder goes on
    hypervisorSpawned: (s, e) =>
      to({ ...s, hypervisor: e.hypervisor, awaitsLaunch: false, outcome: { ...s.outcome, rung: 'SIGKILL' } }, sigkill),
    launched: 'ignore',
    // Only where no exit has started the proofs: a hypervisor that died while starting has said it already.
    launchFailed: (s) => (s.awaitsLaunch ? to({ ...s, awaitsLaunch: false }, ...afterHypervisor) : ignored),
    powerdownSeen: 'ignore',
    guestPaused: 'ignore',
    guestResumed: 'ignore',
    guestShutdown: 'ignore',
    guestPanicked: 'ignore',
    watchdogFired: 'ignore',
    diskFailed: 'ignore',
    askFailed: 'ignore',
    guestReset: 'ignore',
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
              helper: s.helper,
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
    destroyDue: 'ignore',
    killDue: (s) => (s.hypervisor ? to({ ...s, outcome: { ...s.outcome, rung: 'SIGKILL' } }, sigkill) : ignored),
    stragglersDue: (s) => (s.hypervisor ? ignored : to(s, 'killCgroup')),
    factsUnreadable: lose,
    factsRead: 'ignore',
    hostRebooted: rebooted,
  },
  draining: {
    startRequested: 'INCARNATION_DRAINING',
    forceStartRequested: 'ignore', // the operator's explicit choice; the ledger decides
    shutdownRequested: 'DOMAIN_NOT_RUNNING',
    rebootRequested: 'DOMAIN_NOT_RUNNING',
    resetRequested: 'DOMAIN_NOT_RUNNING',
    suspendRequested: 'DOMAIN_NOT_RUNNING',
    resumeRequested: 'DOMAIN_NOT_RUNNING',
    destroyRequested: 'ignore',
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: 'ignore',
    guestPaused: 'ignore',
    guestResumed: 'ignore',
    guestShutdown: 'ignore',
    guestPanicked: 'ignore',
    watchdogFired: 'ignore',
    diskFailed: 'ignore',
    askFailed: 'ignore',
    guestReset: 'ignore',
    hypervisorExited: 'ignore',
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: (s, e) =>
      to({ ...s, stalledSinceMs: s.stalledSinceMs ?? Math.max(s.sinceMs, e.atMs - e.stillMs) }, 'endStuckHelper'),
    progressed: (s) => (s.stalledSinceMs === null ? ignored : to({ ...s, stalledSinceMs: null })),
    memoryGone: (s, e) =>
      to({ ...s, stalledSinceMs: null, outcome: { ...s.outcome, oomKilled: e.oomKilled } }, 'removeCgroup'),
    cgroupRemoved: (s, e) => to({ kind: 'released', sinceMs: e.atMs, outcome: s.outcome }, 'forget'),
    destroyDue: 'ignore',
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
    rebootRequested: 'DOMAIN_NOT_RUNNING',
    resetRequested: 'DOMAIN_NOT_RUNNING',
    suspendRequested: 'DOMAIN_NOT_RUNNING',
    resumeRequested: 'DOMAIN_NOT_RUNNING',
    destroyRequested: 'DOMAIN_NOT_RUNNING',
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: 'ignore',
    guestPaused: 'ignore',
    guestResumed: 'ignore',
    guestShutdown: 'ignore',
    guestPanicked: 'ignore',
    watchdogFired: 'ignore',
    diskFailed: 'ignore',
    askFailed: 'ignore',
    guestReset: 'ignore',
    hypervisorExited: 'ignore',
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    destroyDue: 'ignore',
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
    rebootRequested: 'INCARNATION_LOST',
    resetRequested: 'INCARNATION_LOST',
    suspendRequested: 'INCARNATION_LOST',
    resumeRequested: 'INCARNATION_LOST',
    destroyRequested: 'INCARNATION_LOST',
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    launchFailed: 'ignore',
    powerdownSeen: 'ignore',
    guestPaused: 'ignore',
    guestResumed: 'ignore',
    guestShutdown: 'ignore',
    guestPanicked: 'ignore',
    watchdogFired: 'ignore',
    diskFailed: 'ignore',
    askFailed: 'ignore',
    guestReset: 'ignore',
    hypervisorExited: 'ignore', // read again: factsRead says it
    resourcesBusy: 'ignore',
    resourcesFree: 'ignore',
    stalled: 'ignore',
    progressed: 'ignore',
    memoryGone: 'ignore',
    cgroupRemoved: 'ignore',
    destroyDue: 'ignore',
    killDue: 'ignore',
    stragglersDue: 'ignore',
    factsUnreadable: (s, e) => (s.reason === e.reason ? ignored : to({ ...s, reason: e.reason })),
    factsRead: found,
    hostRebooted: rebooted,
  },
} satisfies Table;

function live(state: Live): Live {
  return { hypervisor: state.hypervisor, helper: state.helper, ramFiles: state.ramFiles, asked: state.asked };
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
