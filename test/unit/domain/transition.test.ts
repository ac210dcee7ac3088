/** The transition table, cell by cell: what each event does in each state, and what the verdict carries along. */
import { describe, expect, test } from 'vitest';
import type { IncarnationState, KnownState, Outcome, StateOf } from '../../../lib/domain/incarnation.ts';
import { describeCell, eventKinds, stateKinds, transition } from '../../../lib/domain/transition.ts';
import type { Verdict } from '../../../lib/domain/transition-effect.ts';
import type { Event } from '../../../lib/domain/transition-event.ts';
import {
  atMs,
  busy,
  eventOfKind,
  helper,
  hypervisor,
  live,
  lost,
  outcome,
  proofs,
  ramFiles,
  stateOfKind,
  states,
} from './samples.ts';

/** Events as rows of the matrix; where an event's data decides, it has a row for each case. */
const events = {
  ...eventOfKind,
  'destroyRequested gracefully': { ...eventOfKind.destroyRequested, graceful: true },
  'shutdownRequested with a deadline': { ...eventOfKind.shutdownRequested, destroyAtMs: 5000 },
  'launched, standing still': { ...eventOfKind.launched, paused: true },
  'guestShutdown, on_poweroff=restart': { ...eventOfKind.guestShutdown, action: 'restart' },
  'guestShutdown of a panic': { ...eventOfKind.guestShutdown, panicked: true },
  'guestShutdown by the host': { ...eventOfKind.guestShutdown, byGuest: false },
  'guestPanicked, on_crash=restart': { ...eventOfKind.guestPanicked, action: 'restart' },
  'guestPanicked, on_crash=preserve': { ...eventOfKind.guestPanicked, action: 'preserve' },
  'watchdogFired, action=pause': { ...eventOfKind.watchdogFired, action: 'pause' },
  'diskFailed, error_policy=stop': { ...eventOfKind.diskFailed, action: 'stop' },
  'factsRead gone': { ...eventOfKind.factsRead, hypervisor: 'gone' },
} as const satisfies Record<string, Event>;
type Row = keyof typeof events;

const allStates = {
  ...states,
  'lost, was launching': lost(states['launching, born']),
  'lost, was running': lost(states.running),
  'lost, was paused': lost(states.paused),
  'lost, was stopping': lost(states.stopping),
  'lost, was exiting': lost({ ...states['exiting, alive'], killFollows: false }),
  'lost, was gone': lost(states['exiting, gone']),
  'lost, was draining': lost(states.draining),
} as const satisfies Record<string, IncarnationState>;
type Column = keyof typeof allStates;

const ended = 'exiting: scanHelper endHelper endCompanions proveFreed scheduleStragglers';
const lose = { factsUnreadable: 'lost: readFacts', hostRebooted: 'released: forget' };
const isActive = { startRequested: 'DOMAIN_ACTIVE', forceStartRequested: 'DOMAIN_ACTIVE' };
const isDestroyed = {
  destroyRequested: 'exiting: SIGTERM scheduleKill',
  'destroyRequested gracefully': 'exiting: SIGTERM',
};
/** What a guest that is not there cannot be asked. */
const askingGuests = [
  'shutdownRequested',
  'shutdownRequested with a deadline',
  'rebootRequested',
  'resetRequested',
  'suspendRequested',
  'resumeRequested',
] as const;
function eachGuestVerb<Code extends string>(code: Code): Record<(typeof askingGuests)[number], Code> {
  return Object.fromEntries(askingGuests.map((row) => [row, code])) as Record<(typeof askingGuests)[number], Code>;
}
const isRefused = {
  startRequested: 'INCARNATION_LOST',
  forceStartRequested: 'INCARNATION_LOST',
  ...eachGuestVerb('INCARNATION_LOST'),
  destroyRequested: 'INCARNATION_LOST',
  'destroyRequested gracefully': 'INCARNATION_LOST',
  factsUnreadable: 'lost',
  hostRebooted: 'released: forget',
};
/** What no state but draining and exiting listens to. */
const factsOfTheEnd = [
  'resourcesBusy',
  'resourcesFree',
  'stalled',
  'progressed',
  'memoryGone',
  'cgroupRemoved',
  'destroyDue',
  'killDue',
  'stragglersDue',
] as const;
const factsOfTheLaunch = ['hypervisorSpawned', 'launched', 'launched, standing still', 'launchFailed'] as const;
const launchedAlready = ['launched', 'launched, standing still'] as const;
/** Ends of a guest, by what its definition wants done. */
const endsOfTheGuest = [
  'guestShutdown',
  'guestShutdown, on_poweroff=restart',
  'guestShutdown of a panic',
  'guestShutdown by the host',
  'guestPanicked',
  'guestPanicked, on_crash=restart',
  'guestPanicked, on_crash=preserve',
  'watchdogFired',
  'watchdogFired, action=pause',
  'diskFailed',
  'diskFailed, error_policy=stop',
] as const;
const factsOfTheGuest = [
  'powerdownSeen',
  'guestPaused',
  'guestResumed',
  ...endsOfTheGuest,
  'askFailed',
  'guestReset',
] as const;
/** What follows them where there is a guest. */
const endsOfALiveGuest = {
  guestShutdown: 'stopping: finishShutdown',
  'guestShutdown, on_poweroff=restart': 'paused: resetGuest',
  'guestShutdown of a panic': 'stopping: finishShutdown',
  'guestShutdown by the host': 'stopping: finishShutdown',
  'guestPanicked, on_crash=restart': 'paused: resetGuest',
  'guestPanicked, on_crash=preserve': 'paused',
  'watchdogFired, action=pause': 'paused',
  'diskFailed, error_policy=stop': 'paused',
} as const;
const facts = ['factsRead', 'factsRead gone'] as const;

/** Next state and effects, or the refusal; `ignore` lists the rest. Every row must be in one of the two. */
interface Expected {
  readonly does: Partial<Record<Row, string>>;
  readonly ignore: readonly Row[];
}

const drains: Expected = {
  does: {
    startRequested: 'INCARNATION_DRAINING',
    ...eachGuestVerb('DOMAIN_NOT_RUNNING'),
    stalled: 'draining: endStuckHelper',
    memoryGone: 'draining: removeCgroup',
    cgroupRemoved: 'released: forget',
    stragglersDue: 'draining: killCgroup',
    ...lose,
  },
  ignore: [
    'forceStartRequested',
    'destroyRequested',
    'destroyRequested gracefully',
    ...factsOfTheLaunch,
    ...factsOfTheGuest,
    'hypervisorExited',
    'resourcesBusy',
    'resourcesFree',
    'progressed',
    'destroyDue',
    'killDue',
    ...facts,
  ],
};
const isLost: Expected = {
  does: isRefused,
  ignore: [...factsOfTheLaunch, ...factsOfTheGuest, 'hypervisorExited', ...factsOfTheEnd],
};

function without<T extends object, K extends keyof T>(rows: T, ...dropped: readonly K[]): Omit<T, K> {
  return Object.fromEntries(Object.entries(rows).filter(([row]) => !dropped.includes(row as K))) as Omit<T, K>;
}

const aRunning: Expected = {
  does: {
    ...isActive,
    ...lose,
    ...isDestroyed,
    ...endsOfALiveGuest,
    shutdownRequested: 'running: askGuest',
    'shutdownRequested with a deadline': 'running: scheduleDestroy askGuest',
    rebootRequested: 'running: askGuest',
    resetRequested: 'running: resetGuest',
    suspendRequested: 'running: stopGuest',
    resumeRequested: 'DOMAIN_ACTIVE',
    powerdownSeen: 'running',
    guestPaused: 'paused',
    askFailed: 'running: restoreActions',
    hypervisorExited: ended,
  },
  ignore: [
    ...factsOfTheLaunch,
    'guestResumed',
    'guestPanicked',
    'watchdogFired',
    'diskFailed',
    'guestReset',
    ...factsOfTheEnd,
    ...facts,
  ],
};
const aPaused: Expected = {
  does: {
    ...isActive,
    ...lose,
    ...isDestroyed,
    ...endsOfALiveGuest,
    shutdownRequested: 'WRONG_STATE',
    'shutdownRequested with a deadline': 'WRONG_STATE',
    rebootRequested: 'WRONG_STATE',
    resetRequested: 'paused: resetGuest',
    resumeRequested: 'paused: resumeGuest',
    guestPaused: 'paused',
    guestResumed: 'running',
    askFailed: 'paused: restoreActions',
    hypervisorExited: ended,
  },
  ignore: [
    ...factsOfTheLaunch,
    'suspendRequested',
    'powerdownSeen',
    'guestPanicked',
    'watchdogFired',
    'diskFailed',
    'guestReset',
    ...factsOfTheEnd,
    ...facts,
  ],
};

const matrix: Record<Column, Expected> = {
  'launching, unborn': {
    does: {
      ...isActive,
      ...lose,
      ...eachGuestVerb('WRONG_STATE'),
      destroyRequested: 'exiting',
      'destroyRequested gracefully': 'exiting',
      hypervisorSpawned: 'launching',
      launchFailed: ended,
      hypervisorExited: ended,
    },
    ignore: [...launchedAlready, ...factsOfTheGuest, ...factsOfTheEnd, ...facts],
  },
  'launching, born': {
    does: {
      ...isActive,
      ...lose,
      ...isDestroyed,
      ...eachGuestVerb('WRONG_STATE'),
      hypervisorSpawned: 'launching',
      launched: 'running',
      'launched, standing still': 'paused',
      launchFailed: 'exiting: SIGKILL',
      hypervisorExited: ended,
    },
    ignore: [...factsOfTheGuest, ...factsOfTheEnd, ...facts],
  },
  running: aRunning,
  'running, asked to reboot': {
    does: {
      ...aRunning.does,
      guestShutdown: 'paused: resetGuest',
      guestReset: 'running: restoreActions',
    },
    ignore: aRunning.ignore.filter((row) => row !== 'guestReset'),
  },
  'running, asked to shut down by 500': {
    does: {
      ...without(aRunning.does, 'askFailed'),
      ...{ destroyDue: 'exiting: SIGTERM scheduleKill', guestReset: 'running' },
    },
    ignore: [...aRunning.ignore.filter((row) => row !== 'guestReset' && row !== 'destroyDue'), 'askFailed'],
  },
  'running, braked': { ...aRunning, does: { ...aRunning.does, unbraked: 'running' } },
  'paused, for memory': {
    does: {
      ...aPaused.does,
      suspendRequested: 'paused',
      resumeRequested: 'WRONG_STATE',
      unbraked: 'paused: resumeGuest',
    },
    ignore: aPaused.ignore.filter((row) => row !== 'suspendRequested'),
  },
  paused: aPaused,
  'paused, panicked': { ...aPaused, does: { ...aPaused.does, resumeRequested: 'WRONG_STATE' } },
  'paused, asleep': { ...aPaused, does: { ...aPaused.does, resumeRequested: 'paused: wakeGuest' } },
  'paused, shutting down': {
    does: { ...without(aPaused.does, 'resumeRequested'), guestShutdown: 'paused: resetGuest' },
    ignore: [...aPaused.ignore, 'resumeRequested'],
  },
  stopping: {
    does: {
      ...isActive,
      ...lose,
      ...isDestroyed,
      ...without(eachGuestVerb('WRONG_STATE'), 'shutdownRequested', 'shutdownRequested with a deadline'),
      hypervisorExited: ended,
    },
    ignore: [
      'shutdownRequested',
      'shutdownRequested with a deadline',
      ...factsOfTheLaunch,
      ...factsOfTheGuest,
      ...factsOfTheEnd,
      ...facts,
    ],
  },
  'exiting, alive': {
    does: {
      ...lose,
      startRequested: 'INCARNATION_EXITING',
      forceStartRequested: 'INCARNATION_EXITING',
      ...eachGuestVerb('DOMAIN_NOT_RUNNING'),
      destroyRequested: 'exiting: scheduleKill',
      hypervisorSpawned: 'exiting: SIGKILL',
      hypervisorExited: ended,
      resourcesBusy: 'exiting',
      killDue: 'exiting: SIGKILL',
    },
    ignore: [
      'destroyRequested gracefully',
      ...launchedAlready,
      'launchFailed',
      ...factsOfTheGuest,
      'resourcesFree',
      'stalled',
      'progressed',
      'memoryGone',
      'cgroupRemoved',
      'destroyDue',
      'stragglersDue',
      ...facts,
    ],
  },
  'exiting, gone': {
    does: {
      ...lose,
      startRequested: 'INCARNATION_EXITING',
      forceStartRequested: 'INCARNATION_EXITING',
      ...eachGuestVerb('DOMAIN_NOT_RUNNING'),
      hypervisorSpawned: 'exiting: SIGKILL',
      resourcesBusy: 'exiting',
      resourcesFree: 'draining: watchMemory',
      stragglersDue: 'exiting: killCgroup',
    },
    ignore: [
      'launchFailed',
      'destroyRequested',
      'destroyRequested gracefully',
      ...launchedAlready,
      ...factsOfTheGuest,
      'hypervisorExited',
      'stalled',
      'progressed',
      'memoryGone',
      'cgroupRemoved',
      'destroyDue',
      'killDue',
      ...facts,
    ],
  },
  'exiting, unborn': {
    does: {
      ...lose,
      startRequested: 'INCARNATION_EXITING',
      forceStartRequested: 'INCARNATION_EXITING',
      ...eachGuestVerb('DOMAIN_NOT_RUNNING'),
      hypervisorSpawned: 'exiting: SIGKILL',
      launchFailed: ended,
      resourcesBusy: 'exiting',
      stragglersDue: 'exiting: killCgroup',
    },
    ignore: [
      'resourcesFree',
      'destroyRequested',
      'destroyRequested gracefully',
      ...launchedAlready,
      ...factsOfTheGuest,
      'hypervisorExited',
      'stalled',
      'progressed',
      'memoryGone',
      'cgroupRemoved',
      'destroyDue',
      'killDue',
      ...facts,
    ],
  },
  draining: drains,
  'draining, stalled': {
    does: { ...drains.does, progressed: 'draining' },
    ignore: drains.ignore.filter((row) => row !== 'progressed'),
  },
  released: {
    does: {
      ...eachGuestVerb('DOMAIN_NOT_RUNNING'),
      destroyRequested: 'DOMAIN_NOT_RUNNING',
      'destroyRequested gracefully': 'DOMAIN_NOT_RUNNING',
    },
    ignore: [
      'startRequested',
      'forceStartRequested',
      ...factsOfTheLaunch,
      ...factsOfTheGuest,
      'hypervisorExited',
      ...factsOfTheEnd,
      'factsUnreadable',
      'hostRebooted',
      ...facts,
    ],
  },
  'lost, was launching': {
    ...isLost,
    does: { ...isRefused, factsRead: 'exiting: adoptHypervisor SIGKILL', 'factsRead gone': ended },
  },
  'lost, was running': {
    ...isLost,
    does: { ...isRefused, factsRead: 'running: followHypervisor', 'factsRead gone': ended },
  },
  'lost, was paused': {
    ...isLost,
    does: { ...isRefused, factsRead: 'paused: followHypervisor', 'factsRead gone': ended },
  },
  'lost, was stopping': {
    ...isLost,
    does: { ...isRefused, factsRead: 'stopping: followHypervisor', 'factsRead gone': ended },
  },
  'lost, was exiting': {
    ...isLost,
    does: { ...isRefused, factsRead: 'exiting: followHypervisor', 'factsRead gone': ended },
  },
  'lost, was gone': {
    ...isLost,
    does: { ...isRefused, factsRead: ended, 'factsRead gone': ended },
  },
  // The straggler's clock may have run out unheard: see 'takes up the clocks again' below.
  'lost, was draining': {
    ...isLost,
    does: {
      ...isRefused,
      factsRead: expect.stringMatching(/^draining: watchMemory/) as string,
      'factsRead gone': expect.stringMatching(/^draining: watchMemory/) as string,
    },
  },
};

/** A verdict as the matrix writes it; a signal stands for itself. */
function describeVerdict(verdict: Verdict): string {
  if (verdict.kind === 'ignored') return 'ignore';
  if (verdict.kind === 'refused') return verdict.code;
  const effects = verdict.effects.map((effect) => (effect.kind === 'signalHypervisor' ? effect.signal : effect.kind));
  return effects.length === 0 ? verdict.state.kind : `${verdict.state.kind}: ${effects.join(' ')}`;
}

const rows = Object.keys(events) as Row[];
const columns = Object.keys(matrix) as Column[];
const ends = columns.filter((column) => !['released', 'draining', 'draining, stalled'].includes(column));

/** The state after `event`; fails unless it changes. */
function next(state: IncarnationState, event: Event): IncarnationState {
  const verdict = transition(state, event);
  if (verdict.kind !== 'to') throw new Error(`${state.kind} x ${event.kind}: ${describeVerdict(verdict)}`);
  return verdict.state;
}

describe('the table', () => {
  test.each(columns)('decides every event in %s', (column) => {
    const expected = {
      // Of one that is not braked there is nothing to lift.
      unbraked: 'ignore',
      ...Object.fromEntries(matrix[column].ignore.map((row) => [row, 'ignore'])),
      ...matrix[column].does,
    };
    const found = Object.fromEntries(
      rows.map((row) => [row, describeVerdict(transition(allStates[column], events[row]))]),
    );
    expect(found).toEqual(expected);
  });

  test('has samples of every state and event', () => {
    expect(new Set(Object.values(allStates).map(({ kind }) => kind))).toEqual(new Set(stateKinds));
    expect(new Set(Object.values(events).map(({ kind }) => kind))).toEqual(new Set(eventKinds));
  });

  test('describes a cell by what it does without looking at the state', () => {
    expect(describeCell('running', 'startRequested')).toBe('DOMAIN_ACTIVE');
    expect(describeCell('running', 'memoryGone')).toBe('ignore');
    expect(describeCell('running', 'destroyRequested')).toBe('decides');
  });

  test('changes no state it is given', () => {
    const before = structuredClone(allStates);
    for (const state of Object.values(allStates)) for (const event of Object.values(events)) transition(state, event);
    expect(allStates).toEqual(before);
  });
});

describe('an end', () => {
  test('comes to released only from draining, by the removal of its cgroup, or by a reboot', () => {
    const ways = columns.flatMap((column) =>
      rows
        .filter(
          (row) =>
            column !== 'released' && describeVerdict(transition(allStates[column], events[row])).startsWith('released'),
        )
        .map((row) => `${column} ${row}`),
    );
    expect(ways.filter((way) => !way.endsWith('hostRebooted'))).toEqual([
      'draining cgroupRemoved',
      'draining, stalled cgroupRemoved',
    ]);
    expect(ways.filter((way) => way.endsWith('hostRebooted'))).toHaveLength(columns.length - 1);
  });

  test('comes to draining only from exiting with the hypervisor gone, by the proof, or back from lost', () => {
    const ways = ends.flatMap((column) =>
      rows
        .filter((row) => describeVerdict(transition(allStates[column], events[row])).startsWith('draining'))
        .map((row) => `${column} ${row}`),
    );
    expect(ways).toEqual([
      'exiting, gone resourcesFree',
      'lost, was draining factsRead',
      'lost, was draining factsRead gone',
    ]);
  });

  test.each(['exiting, alive', 'exiting, gone'] as const)(
    '%s, stays until a proof, unreadable facts or a reboot',
    (column) => {
      const leaves = rows.filter((row) => {
        const verdict = transition(allStates[column], events[row]);
        return verdict.kind === 'to' && verdict.state.kind !== 'exiting';
      });
      expect(leaves).toEqual([
        ...(column === 'exiting, gone' ? ['resourcesFree'] : []),
        'factsUnreadable',
        'hostRebooted',
      ]);
    },
  );

  test('goes through exiting, whatever began it', () => {
    const liveColumns = columns.filter((column) => /^(launching|running|paused|stopping)/.test(column));
    const kinds = liveColumns.flatMap((column) =>
      rows
        .filter((row) => row !== 'hostRebooted')
        .map((row) => transition(allStates[column], events[row]))
        .flatMap((verdict) => (verdict.kind === 'to' ? [verdict.state.kind] : [])),
    );
    expect(kinds).not.toContain('draining');
    expect(kinds).not.toContain('released');
    expect(kinds).toContain('exiting');
  });

  test('keeps what draining must know: outcome, proofs, memory files and when it began', () => {
    expect(next(states['exiting, gone'], eventOfKind.resourcesFree)).toEqual({
      kind: 'draining',
      sinceMs: atMs,
      exitingSinceMs: 50,
      helper,
      ramFiles,
      outcome,
      freed: proofs,
      stalledSinceMs: null,
      memoryGone: false,
    });
  });

  test('that is proven gone stays so: after a restart or a loss it is tidied up, not proven again', () => {
    const proven = next(states.draining, eventOfKind.memoryGone);
    expect(proven).toMatchObject({ kind: 'draining', memoryGone: true });
    const lost = next(proven, eventOfKind.factsUnreadable);
    expect(transition(lost, eventOfKind.factsRead)).toMatchObject({ effects: [{ kind: 'removeCgroup' }] });
  });

  test('keeps its outcome to the last, with what the OOM killer did', () => {
    const proven = next(states.draining, { ...eventOfKind.memoryGone, oomKilled: true });
    expect(next(proven, eventOfKind.cgroupRemoved)).toEqual({
      kind: 'released',
      sinceMs: atMs,
      outcome: { ...outcome, oomKilled: true },
    });
  });

  test.each<[boolean | null, Partial<Outcome>]>([
    [true, { rung: 'itself', signal: 9 }],
    [true, { rung: 'SIGTERM', signal: 9 }],
    [true, { rung: 'SIGTERM', signal: null }],
    [false, { rung: 'SIGTERM', exitCode: 0 }],
    [false, { rung: 'itself', signal: 11 }],
    [false, { rung: 'SIGKILL', signal: 9 }],
  ])(
    'says %s of the OOM killer, which took something of its cgroup, when the hypervisor ended by %o',
    (expected, how) => {
      const draining = { ...states.draining, outcome: { ...outcome, ...how } };
      const proven = next(draining, { ...eventOfKind.memoryGone, oomKilled: true });
      expect(proven).toMatchObject({ kind: 'draining', outcome: { oomKilled: expected } });
    },
  );

  test('by another boot is released as host-reboot', () => {
    expect(next(states.running, eventOfKind.hostRebooted)).toMatchObject({
      kind: 'released',
      outcome: { kind: 'host-reboot', rung: 'itself', exitCode: null },
    });
  });

  test('by another boot, with its hypervisor gone before, keeps how it ended', () => {
    for (const state of [states['exiting, gone'], states.draining, lost(states.draining)])
      expect(next(state, eventOfKind.hostRebooted)).toEqual({ kind: 'released', sinceMs: atMs, outcome });
    for (const state of [states['exiting, alive'], states['exiting, unborn']])
      expect(next(state, eventOfKind.hostRebooted)).toMatchObject({ outcome: { kind: 'host-reboot' } });
  });
});

describe('a start', () => {
  test('meets no objection when all is released, and of any other state only force-start over a draining one', () => {
    const passes = (['startRequested', 'forceStartRequested'] as const).flatMap((row) =>
      columns
        .filter((column) => transition(allStates[column], events[row]).kind !== 'refused')
        .map((column) => `${row} over ${column}`),
    );
    expect(passes).toEqual([
      'startRequested over released',
      'forceStartRequested over draining',
      'forceStartRequested over draining, stalled',
      'forceStartRequested over released',
    ]);
  });
});

describe('a destroy', () => {
  test('begins with SIGTERM and a clock', () => {
    expect(transition(states.running, eventOfKind.destroyRequested)).toMatchObject({
      state: {
        kind: 'exiting',
        sinceMs: atMs,
        hypervisor,
        helper,
        ramFiles,
        killFollows: true,
        outcome: { kind: 'destroyed', rung: 'SIGTERM' },
      },
      effects: [{ kind: 'signalHypervisor', signal: 'SIGTERM' }, { kind: 'scheduleKill' }],
    });
  });

  test('done gracefully has no clock, until another one that is not', () => {
    const graceful = next(states.running, events['destroyRequested gracefully']);
    expect(graceful).toMatchObject({ killFollows: false });
    expect(transition(graceful, eventOfKind.destroyRequested)).toMatchObject({
      state: { killFollows: true },
      effects: [{ kind: 'scheduleKill' }],
    });
  });

  test('names SIGKILL as its rung once the clock ran out', () => {
    const killed = next(states['exiting, alive'], eventOfKind.killDue);
    expect(killed).toMatchObject({ outcome: { kind: 'destroyed', rung: 'SIGKILL' } });
    expect(next(killed, eventOfKind.hypervisorExited)).toMatchObject({
      hypervisor: null,
      sinceMs: 50,
      outcome: { kind: 'destroyed', rung: 'SIGKILL', signal: 9, detail: 'last words' },
    });
  });

  test('before the hypervisor is born kills it at birth, and is proven like any end', () => {
    const unborn = next(states['launching, unborn'], eventOfKind.destroyRequested);
    expect(unborn).toMatchObject({ kind: 'exiting', hypervisor: null, outcome: { kind: 'destroyed', rung: 'itself' } });
    const born = next(unborn, eventOfKind.hypervisorSpawned);
    expect(born).toMatchObject({ kind: 'exiting', hypervisor, outcome: { kind: 'destroyed', rung: 'SIGKILL' } });
    expect(describeVerdict(transition(born, eventOfKind.hypervisorExited))).toBe(ended);
    expect(describeVerdict(transition(unborn, eventOfKind.launchFailed))).toBe(ended);
  });

  test('keeps the rung that ended the hypervisor when processes were left behind', () => {
    const before = states['exiting, gone'];
    expect(next(before, eventOfKind.stragglersDue)).toEqual(before);
  });
});

describe('a hypervisor that ends unasked', () => {
  const exit = (exitCode: number | null, signal: number | null) => ({
    ...eventOfKind.hypervisorExited,
    exitCode,
    signal,
  });
  test.each([
    ['running', 'by a signal', 'crashed', exit(null, 11)],
    ['running', 'with an error', 'crashed', exit(1, null)],
    ['running', 'with exit code 0', 'shutdown', exit(0, null)],
    ['running', 'unseen', 'unknown', exit(null, null)],
    ['paused', 'by a signal', 'crashed', exit(null, 11)],
    ['stopping', 'with exit code 0', 'shutdown', exit(0, null)],
    ['stopping', 'by a signal', 'crashed', exit(null, 11)],
    ['launching', 'with exit code 0', 'failed', exit(0, null)],
    ['launching', 'by a signal', 'failed', exit(null, 9)],
  ] as const)('while %s, %s, counts as %s', (kind, _how, expected, event) => {
    expect(next(stateOfKind[kind], event)).toMatchObject({
      kind: 'exiting',
      hypervisor: null,
      sinceMs: atMs,
      outcome: { kind: expected, rung: 'itself', exitCode: event.exitCode, signal: event.signal, detail: 'last words' },
    });
  });
});

describe('a launch', () => {
  test('keeps helper and memory files for the teardown', () => {
    expect(next(states['launching, born'], eventOfKind.launched)).toEqual({
      kind: 'running',
      sinceMs: atMs,
      reason: 'booted',
      ...live,
    });
  });

  test('that failed keeps its reason through the exit that follows', () => {
    const failed = next(states['launching, born'], eventOfKind.launchFailed);
    expect(failed).toMatchObject({
      kind: 'exiting',
      hypervisor,
      outcome: { kind: 'failed', rung: 'SIGKILL', detail: 'no such machine' },
    });
    expect(next(failed, eventOfKind.hypervisorExited)).toMatchObject({
      outcome: { kind: 'failed', detail: 'no such machine', signal: 9 },
    });
  });
});

describe('the end of a guest', () => {
  test('by power-off begins anew in the same incarnation when it was asked to reboot, and stands still until it has', () => {
    const off = next(states['running, asked to reboot'], eventOfKind.guestShutdown);
    expect(off).toMatchObject({ kind: 'paused', reason: 'shutting down', asked: null, hypervisor });
    expect(next(off, eventOfKind.guestResumed)).toMatchObject({ kind: 'running', hypervisor });
    expect(describeVerdict(transition(off, { ...eventOfKind.guestPaused, reason: 'user' }))).toBe('ignore');
  });

  test('by power-off on the way to its next boot, told to a daemon that came after, is no end', () => {
    const off = next(states['running, asked to reboot'], eventOfKind.guestShutdown);
    expect(describeVerdict(transition(off, eventOfKind.guestShutdown))).toBe('paused: resetGuest');
    expect(next(off, events['guestShutdown by the host'])).toMatchObject({ kind: 'stopping' });
  });

  test('by power-off is an end again an hour after it was asked to reboot', () => {
    const asked = next(states.running, { ...eventOfKind.rebootRequested, atMs: 1000 });
    const off = (atMs: number) => next(asked, { ...eventOfKind.guestShutdown, atMs });
    expect(off(3_600_999)).toMatchObject({ kind: 'paused', reason: 'shutting down' });
    expect(off(3_601_000)).toMatchObject({ kind: 'stopping', byGuest: true });
  });

  test('by the host is an end, even when it was asked to reboot', () => {
    expect(next(states['running, asked to reboot'], events['guestShutdown by the host'])).toMatchObject({
      kind: 'stopping',
      byGuest: false,
    });
  });

  test('by panic counts as crashed, whatever the exit code', () => {
    const stopping = next(states.running, events['guestShutdown of a panic']);
    const exit = { ...eventOfKind.hypervisorExited, exitCode: 0, signal: null };
    expect(next(stopping, exit)).toMatchObject({ outcome: { kind: 'crashed', exitCode: 0 } });
  });

  test('by panic that is preserved reads crashed until somebody resets it, which boots it', () => {
    const panicked = next(states.running, events['guestPanicked, on_crash=preserve']);
    expect(panicked).toMatchObject({ kind: 'paused', reason: 'panicked' });
    expect(transition(panicked, eventOfKind.resetRequested)).toMatchObject({
      effects: [{ kind: 'resetGuest', resume: true }],
    });
    expect(transition(states.paused, eventOfKind.resetRequested)).toMatchObject({
      effects: [{ kind: 'resetGuest', resume: false }],
    });
  });

  test('that was given a time is a destroy when it is up, not a moment earlier', () => {
    const asked = states['running, asked to shut down by 500'];
    expect(describeVerdict(transition(asked, { ...eventOfKind.destroyDue, atMs: 499 }))).toBe('ignore');
    expect(next(asked, { ...eventOfKind.destroyDue, atMs: 500 })).toMatchObject({ outcome: { kind: 'destroyed' } });
  });

  test('asked for again forgets the time it was given', () => {
    const again = next(states['running, asked to shut down by 500'], eventOfKind.shutdownRequested);
    expect(again).toMatchObject({ asked: { to: 'shutdown', destroyAtMs: null } });
  });

  test('that nobody could be asked for leaves nothing behind, but the time it was given', () => {
    const asked = next(states.running, eventOfKind.shutdownRequested);
    expect(next(asked, eventOfKind.askFailed)).toMatchObject({ asked: null });
    const given = states['running, asked to shut down by 500'];
    expect(describeVerdict(transition(given, eventOfKind.askFailed))).toBe('ignore');
    expect(next(given, { ...eventOfKind.destroyDue, atMs: 500 })).toMatchObject({ outcome: { kind: 'destroyed' } });
  });
});

describe('a pause', () => {
  test('repeated for the same reason is ignored', () => {
    expect(describeVerdict(transition(states.paused, { ...eventOfKind.guestPaused, reason: 'user' }))).toBe('ignore');
  });

  test('takes the newer reason and its first time', () => {
    expect(next(states.paused, eventOfKind.guestPaused)).toEqual({ ...states.paused, reason: 'I/O error' });
  });

  test('ends in running (unpaused)', () => {
    expect(next(states.paused, eventOfKind.guestResumed)).toEqual({
      kind: 'running',
      sinceMs: atMs,
      reason: 'unpaused',
      ...live,
    });
  });
});

describe('a stall', () => {
  test('counts from the last fall before it was first told, and ends with the next one', () => {
    const stalled = next(states.draining, { ...eventOfKind.stalled, atMs: 2000, stillMs: 500 });
    expect(stalled).toMatchObject({ kind: 'draining', stalledSinceMs: 1500 });
    const still = next(stalled, { ...eventOfKind.stalled, atMs: 3000, stillMs: 700 });
    expect(still).toMatchObject({ stalledSinceMs: 1500 });
    expect(next(still, eventOfKind.progressed)).toMatchObject({ kind: 'draining', stalledSinceMs: null });
  });

  test('is written down in whole milliseconds, or the next daemon could not read it', () => {
    const stalled = next(states.draining, { ...eventOfKind.stalled, atMs: 2000, stillMs: 500.25 });
    expect(stalled).toMatchObject({ kind: 'draining', stalledSinceMs: 1499 });
  });

  test('counts from the beginning of the drain where nothing has fallen', () => {
    const stalled = next(states.draining, { ...eventOfKind.stalled, atMs: 2000, stillMs: 5000 });
    expect(stalled).toMatchObject({ kind: 'draining', stalledSinceMs: states.draining.sinceMs });
  });
});

describe('busy resources', () => {
  test('are kept by name, without moving the clock of the end', () => {
    expect(next(states['exiting, gone'], eventOfKind.resourcesBusy)).toEqual({ ...states['exiting, gone'], busy });
  });
});

describe('a lost incarnation', () => {
  const known: KnownState[] = [
    states.running,
    states.paused,
    states.stopping,
    states['exiting, alive'],
    states.draining,
  ];

  test('that was launching cannot be finished by anyone, and is ended', () => {
    expect(next(lost(states['launching, born']), eventOfKind.factsRead)).toMatchObject({
      kind: 'exiting',
      hypervisor,
      outcome: { kind: 'failed', rung: 'SIGKILL' },
    });
  });

  test.each(known)('keeps what it was: $kind', (was) => {
    expect(next(was, eventOfKind.factsUnreadable)).toEqual({
      kind: 'lost',
      sinceMs: atMs,
      reason: 'cgroup.events: EIO',
      was,
    });
    expect(next(lost(was), eventOfKind.factsRead)).toEqual(was);
  });

  test('is not lost anew for the same reason', () => {
    expect(
      describeVerdict(transition(lost(states.running), { ...eventOfKind.factsUnreadable, reason: 'memory.stat: EIO' })),
    ).toBe('ignore');
  });

  test('found without its hypervisor ended as nobody saw', () => {
    expect(next(lost(states.running), events['factsRead gone'])).toMatchObject({
      kind: 'exiting',
      hypervisor: null,
      helper,
      ramFiles,
      outcome: { kind: 'unknown', rung: 'itself', exitCode: null, signal: null },
    });
  });

  test('found without its hypervisor keeps the outcome of an end that had begun', () => {
    expect(next(lost(states['exiting, alive']), events['factsRead gone'])).toMatchObject({
      kind: 'exiting',
      hypervisor: null,
      outcome,
    });
  });

  /** lost ignores killDue and stragglersDue, so a clock may have run out meanwhile. */
  test('takes up the clocks again that may have run out unheard', () => {
    const effectsOf = (was: StateOf<'exiting'> | StateOf<'draining'>): string =>
      describeVerdict(transition(lost(was), eventOfKind.factsRead));
    expect.soft(effectsOf(states['exiting, alive'])).toContain('scheduleKill');
    expect.soft(effectsOf(states.draining)).toContain('scheduleStragglers');
  });
});

describe('a brake', () => {
  test('is told by `launched`, kept through pauses, and gone when all is there', () => {
    const born = next(states['launching, born'], { ...eventOfKind.launched, braked: true });
    expect(born).toMatchObject({ kind: 'running', brakedSinceMs: atMs });
    const paused = next(born, { atMs: 2000, kind: 'guestPaused', reason: 'memory' });
    expect(paused).toMatchObject({ kind: 'paused', reason: 'memory', brakedSinceMs: atMs });
    expect(next(paused, { atMs: 3000, kind: 'guestResumed' })).toMatchObject({ kind: 'running', brakedSinceMs: atMs });
    expect(next(paused, eventOfKind.unbraked)).toMatchObject({ kind: 'paused', brakedSinceMs: null });
  });

  test('takes no machine for its own that another has stopped first', () => {
    for (const state of Object.values(states).filter(({ kind }) => kind === 'paused')) {
      expect(transition(state, { ...eventOfKind.guestPaused, reason: 'memory' }).kind).toBe('ignored');
    }
  });

  test('STOP that follows does not take the reason away, and a suspend by its owner keeps it from going on', () => {
    const paused = states['paused, for memory'];
    expect(transition(paused, { ...eventOfKind.guestPaused, reason: 'user' }).kind).toBe('ignored');
    const suspended = next(paused, eventOfKind.suspendRequested);
    expect(suspended).toMatchObject({ kind: 'paused', reason: 'user', brakedSinceMs: 20 });
    expect(describeVerdict(transition(suspended, eventOfKind.unbraked))).toBe('paused');
  });
});
