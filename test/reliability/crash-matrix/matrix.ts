/**
 * The crash matrix as data: every place at which the daemon is killed, and what it is doing then. By type each effect, each
 * event that is written to the journal and each step has a row; one that no scenario can reach says why.
 */
import type { FaultPoint, Step } from '../../../lib/daemon/fault-points.ts';
import type { JournalRecord } from '../../../lib/daemon/records.ts';
import type { EffectKind } from '../../../lib/domain/transition-effect.ts';
import type { EventKind } from '../../../lib/domain/transition-event.ts';
import type { ScenarioName } from './scenarios.ts';

/** Scenarios that reach it, the cheapest first; a text: why none does. */
type Reached = readonly [ScenarioName, ...ScenarioName[]] | string;

const guestNeeded = 'needs a guest with an operating system; written by the same lines as guestPaused';
const neverWritten = 'a question to the table, never written';

const effects: Readonly<Record<EffectKind, Reached>> = {
  askGuest: ['shutdown'],
  scheduleDestroy: ['recover', 'shutdown'],
  resetGuest: ['reset'],
  restoreActions: ['unheard'],
  stopGuest: ['pause'],
  resumeGuest: ['pause'],
  wakeGuest: 'needs a guest that sleeps; the same lines as resumeGuest',
  finishShutdown: ['exit'],
  signalHypervisor: ['destroy', 'shutdown', 'stubborn', 'recover an end'],
  scheduleKill: ['destroy'],
  scanHelper: ['destroy', 'exit'],
  endHelper: ['destroy', 'exit'],
  endStuckHelper: ['held memory'],
  endCompanions: ['destroy', 'exit'],
  proveFreed: ['destroy', 'exit', 'busy'],
  scheduleStragglers: ['destroy', 'exit'],
  killCgroup: ['stragglers'],
  watchMemory: ['destroy', 'exit', 'force-start, its end'],
  removeCgroup: ['destroy', 'exit', 'force-start, its end'],
  readFacts: ['lost'],
  adoptHypervisor: ['recover an end'],
  followHypervisor: ['recover'],
  forget: ['destroy', 'force-start, its end'],
};

/** Effects whose work ends with their machine: there is no moment after. */
const endless: ReadonlySet<EffectKind> = new Set(['followHypervisor']);

type RecordName = EventKind | Exclude<JournalRecord['kind'], 'state'>;

const records: Readonly<Record<RecordName, Reached>> = {
  opened: "a compacted file's first line; see 'journal compacted, not in place'",
  launch: ['start', 'force-start'],
  queued: ['queue'],
  dequeued: ['queue'],
  startRequested: neverWritten,
  forceStartRequested: neverWritten,
  shutdownRequested: ['shutdown', 'unheard'],
  rebootRequested: ['reboot'],
  resetRequested: ['reset'],
  suspendRequested: ['pause'],
  resumeRequested: ['pause'],
  destroyRequested: ['destroy', 'stubborn', 'held memory'],
  hypervisorSpawned: ['start', 'force-start'],
  launched: ['start', 'force-start'],
  unbraked: 'needs memory that is short; e2e/braked.test.ts kills the daemon under a brake',
  launchFailed: ['failed start'],
  powerdownSeen: ['shutdown'],
  guestPaused: ['pause'],
  guestResumed: ['pause'],
  guestShutdown: ['exit'],
  guestPanicked: guestNeeded,
  watchdogFired: guestNeeded,
  diskFailed: guestNeeded,
  askFailed: ['unheard'],
  guestReset: ['reboot'],
  hypervisorExited: ['destroy', 'exit', 'stubborn', 'held memory'],
  resourcesBusy: ['busy'],
  resourcesFree: ['destroy', 'exit', 'busy', 'held memory'],
  stalled: ['held memory'],
  progressed: 'memory held by one other program comes back at once; written by the same line as stalled',
  memoryGone: ['destroy', 'exit', 'force-start, its end'],
  cgroupRemoved: ['destroy', 'exit', 'force-start, its end'],
  destroyDue: ['shutdown'],
  killDue: ['stubborn'],
  stragglersDue: ['stragglers'],
  factsUnreadable: ['lost'],
  factsRead: ['lost'],
  hostRebooted: ['another boot'],
};

const steps: Readonly<Record<Step, Reached>> = {
  'promise told': ['start', 'force-start'],
  'cgroup made': ['start', 'force-start'],
  'runtime directory made': ['start', 'force-start'],
  'limits set': ['start'],
  'images lent': ['start'],
  'companions born': ['start'],
  'hypervisor born': ['start', 'force-start'],
  'monitor answers': ['start'],
  'hypervisor tuned': ['start'],
  'guest runs': ['start', 'force-start'],
  'images given back': ['destroy'],
  'cgroup removed': ['destroy', 'exit', 'force-start, its end'],
  'branch removed': ['destroy', 'force-start, its end'],
  'runtime directory removed': ['destroy', 'force-start, its end'],
  'definition written, not in place': ['define'],
  'autostart unmarked': ['undefine'],
  'definition removed': ['undefine'],
  'half of the events written': ['destroy', 'start', 'exit'],
  'events written': ['destroy', 'start', 'exit'],
  'journal compacted, not in place': ['large journal'],
};

/** One run: the daemon is killed there while it does that. */
export interface Cell {
  readonly point: FaultPoint;
  readonly scenario: ScenarioName;
  /** The first, and cheapest, of its point. */
  readonly first: boolean;
}

function cells(point: FaultPoint, reached: Reached): Cell[] {
  if (typeof reached === 'string') return [];
  return reached.map((scenario, index) => ({ point, scenario, first: index === 0 }));
}

function entries<K extends string, V>(record: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(record) as [K, V][];
}

/** All of them: steps, then the journal's records, then effects. */
export const matrix: readonly Cell[] = [
  ...entries(steps).flatMap(([step, reached]) => cells(step, reached)),
  ...entries(records).flatMap(([name, reached]) =>
    (['before', 'half of', 'after'] as const).flatMap((stage) => cells(`${stage} journal ${name}`, reached)),
  ),
  ...entries(effects).flatMap(([kind, reached]) => [
    ...cells(`before effect ${kind}`, reached),
    ...(endless.has(kind) ? [] : cells(`after effect ${kind}`, reached)),
  ]),
];

/** What is not reached, and why; for the table. */
export const unreached: readonly { readonly point: string; readonly why: string }[] = [
  ...entries(records).flatMap(([name, why]) => (typeof why === 'string' ? [{ point: `journal ${name}`, why }] : [])),
  ...entries(effects).flatMap(([kind, why]) => (typeof why === 'string' ? [{ point: `effect ${kind}`, why }] : [])),
  ...[...endless].map((kind) => ({ point: `after effect ${kind}`, why: 'its work ends with its machine' })),
];
