/**
 * What may happen to an incarnation, and what follows: every state x every event, decided. A missing cell does not compile.
 * Pure: no clock (events carry their time), no I/O. The effects are data; `lib/daemon/effects.ts` runs them.
 *
 * Failure paths worth knowing:
 *  - a failed launch goes through exiting and draining too: a failed preallocation can hold a terabyte;
 *  - facts that cannot be read make it lost, which keeps every claim and refuses every start, until a read succeeds;
 *  - nothing but a proof leaves exiting (resourcesFree) and draining (memoryGone, then cgroupRemoved).
 */
import type { IncarnationState, StateKind, StateOf } from './incarnation.ts';
import type { RefusalCode, Verdict } from './transition-effect.ts';
import type { Event, EventKind, EventOf } from './transition-event.ts';
import {
  afterHypervisor,
  askReboot,
  askShutdown,
  begunAnew,
  destroy,
  destroyLate,
  died,
  exiting,
  failLaunch,
  found,
  gone,
  ignored,
  judgeOomKill,
  launched,
  live,
  lose,
  outcome,
  panicked,
  pausedBy,
  poweredOff,
  rebooted,
  reset,
  resume,
  sigkill,
  to,
  unheard,
  unbrake,
} from './transition-moves.ts';

type Cell<S extends StateKind, E extends EventKind> =
  | 'ignore'
  | RefusalCode
  | ((state: StateOf<S>, event: EventOf<E>) => Verdict);
type Table = { readonly [S in StateKind]: { readonly [E in EventKind]: Cell<S, E> } };

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
    unbraked: 'ignore', // said before `launched`, it is said again after it
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
    unbraked: unbrake,
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
    // Its owner wants it to stand still, also when there is memory again.
    suspendRequested: (s) => (s.reason === 'memory' ? to({ ...s, reason: 'user' }) : ignored),
    resumeRequested: resume,
    destroyRequested: destroy,
    hypervisorSpawned: 'ignore',
    launched: 'ignore',
    unbraked: unbrake,
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
    unbraked: unbrake,
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
    unbraked: 'ignore',
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
              memoryGone: false,
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
    unbraked: 'ignore',
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
      // A whole number, as every time in the journal: readings have fractions.
      to(
        { ...s, stalledSinceMs: s.stalledSinceMs ?? Math.max(s.sinceMs, Math.floor(e.atMs - e.stillMs)) },
        'endStuckHelper',
      ),
    progressed: (s) => (s.stalledSinceMs === null ? ignored : to({ ...s, stalledSinceMs: null })),
    memoryGone: (s, e) =>
      to(
        { ...s, stalledSinceMs: null, memoryGone: true, outcome: judgeOomKill(s.outcome, e.oomKilled) },
        'removeCgroup',
      ),
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
    unbraked: 'ignore',
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
    unbraked: 'ignore', // its guard is asked again when it is found
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
