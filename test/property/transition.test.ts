/**
 * Random lives of an incarnation: the table against a naive world of one process, one disk and some memory. The world
 * tells only what is true in it, late, twice or not at all; it starts work only when an effect asked for it.
 */
import { fc, test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';
import type { IncarnationState } from '../../lib/domain/incarnation.ts';
import { eventKinds, transition } from '../../lib/domain/transition.ts';
import type { EffectKind } from '../../lib/domain/transition-effect.ts';
import type { Event, EventKind } from '../../lib/domain/transition-event.ts';
import { stateWord } from '../../lib/domain/words.ts';
import { atMs, busy, eventOfKind, helper, hypervisor, proofs, ramFiles } from '../unit/domain/samples.ts';

const words = [
  'starting',
  'running',
  'paused',
  'in shutdown',
  'exiting',
  'draining',
  'shut off',
  'unknown',
  'crashed',
  'pmsuspended',
];

/** Any event with any data. */
const anyEvent: fc.Arbitrary<Event> = fc
  .tuple(
    fc.constantFrom(...eventKinds),
    fc.record({
      atMs: fc.nat(),
      graceful: fc.boolean(),
      byGuest: fc.boolean(),
      exitCode: fc.constantFrom(null, 0, 1),
      signal: fc.constantFrom(null, 9, 15),
      reason: fc.constantFrom('user', 'I/O error', 'panicked', 'pmsuspended', 'unknown'),
      panicked: fc.boolean(),
      action: fc.constantFrom('destroy', 'restart', 'preserve', 'pause', 'stop'),
      oomKilled: fc.constantFrom(null, false, true),
      hypervisor: fc.boolean(),
    }),
  )
  .map(([kind, data]) => {
    const change = { ...data, hypervisor: kind === 'factsRead' ? (data.hypervisor ? 'alive' : 'gone') : hypervisor };
    return { ...eventOfKind[kind], ...change } as Event;
  });

/** What must wait for the hypervisor to be gone. */
const afterDeath: ReadonlySet<EffectKind> = new Set(['endHelper', 'endCompanions', 'killCgroup', 'proveFreed']);

const unborn: IncarnationState = { kind: 'launching', sinceMs: 0, hypervisor: null };

describe('any sequence of events', () => {
  test.prop([fc.array(anyEvent, { maxLength: 60, size: 'max' })])(
    'keeps to the words of the contract and signals only a recorded hypervisor',
    (events) => {
      let state: IncarnationState = unborn;
      for (const event of events) {
        const verdict = transition(state, event);
        if (verdict.kind !== 'to') continue;
        const recorded = 'hypervisor' in verdict.state && verdict.state.hypervisor !== null;
        if (verdict.effects.some(({ kind }) => kind === 'signalHypervisor')) expect(recorded).toBe(true);
        if (verdict.effects.some(({ kind }) => afterDeath.has(kind))) expect(recorded).toBe(false);
        state = verdict.state;
        expect(words).toContain(stateWord(state));
      }
    },
  );

  test.prop([fc.array(anyEvent, { maxLength: 60, size: 'max' })])(
    'never leaves released, and never comes there but through draining or a reboot',
    (events) => {
      let state: IncarnationState = unborn;
      for (const event of events) {
        const verdict = transition(state, event);
        if (verdict.kind !== 'to') continue;
        expect(state.kind).not.toBe('released');
        if (verdict.state.kind === 'released')
          expect(`${state.kind} ${event.kind}`).toMatch(/^draining cgroupRemoved$| hostRebooted$/);
        state = verdict.state;
      }
    },
  );
});

/** What exists of an incarnation, as the kernel knows it. Naive: three facts, and the work that effects began. */
class World {
  launcher: 'working' | 'done' = 'working';
  process: 'unborn' | 'alive' | 'gone' = 'unborn';
  helper: 'none' | 'alive' | 'gone' = 'none';
  memory = false;
  diskHeld = false;
  cgroup = true;
  /** A process that nobody expected, e.g. a companion that hangs. */
  straggler: boolean;
  ignoresSigterm: boolean;
  readonly begun = new Set<EffectKind>();
  /** Facts told once by the kernel and not delivered yet. */
  readonly pending: Event[] = [];
  state: IncarnationState = unborn;

  constructor(nature: { straggler: boolean; ignoresSigterm: boolean }) {
    this.straggler = nature.straggler;
    this.ignoresSigterm = nature.ignoresSigterm;
  }

  tell(event: Event): void {
    const verdict = transition(this.state, event);
    if (verdict.kind !== 'to') return;
    this.state = verdict.state;
    for (const effect of verdict.effects) {
      this.begun.add(effect.kind);
      if (effect.kind === 'signalHypervisor' && (effect.signal === 'SIGKILL' || !this.ignoresSigterm)) this.end();
      if (effect.kind === 'killCgroup') this.killAll();
      if (effect.kind === 'endHelper' && this.helper === 'alive') this.endHelper();
    }
    this.check();
  }

  /** The promises of DESIGN.md, section 3. */
  check(): void {
    const { state } = this;
    if (state.kind === 'draining')
      expect({ process: this.process, diskHeld: this.diskHeld }).toMatchObject({
        process: expect.not.stringMatching('alive') as string,
        diskHeld: false,
      });
    if (state.kind === 'released') {
      expect({ alive: this.alive, memory: this.memory, cgroup: this.cgroup, diskHeld: this.diskHeld }).toEqual({
        alive: false,
        memory: false,
        cgroup: false,
        diskHeld: false,
      });
    }
  }

  get alive(): boolean {
    return this.process === 'alive' || this.helper === 'alive' || this.straggler;
  }

  born(): void {
    if (this.launcher === 'done' || this.process !== 'unborn') return;
    Object.assign(this, { process: 'alive', memory: true, diskHeld: true });
    this.tell(eventOfKind.hypervisorSpawned);
  }

  launched(): void {
    if (this.launcher === 'done' || this.process !== 'alive') return;
    this.launcher = 'done';
    this.helper = 'alive';
    this.tell({ ...eventOfKind.launched, helper, ramFiles });
  }

  launchFails(): void {
    if (this.launcher === 'done') return;
    this.launcher = 'done';
    this.tell(eventOfKind.launchFailed);
  }

  end(): void {
    if (this.process !== 'alive') return;
    this.process = 'gone';
    this.diskHeld = false;
    if (this.helper !== 'alive' && !this.straggler) this.memory = false;
    this.pending.push(eventOfKind.hypervisorExited);
  }

  endHelper(): void {
    if (this.process === 'alive')
      throw new Error('the helper was ended before its hypervisor: teardown is synchronous');
    this.helper = 'gone';
    if (!this.straggler) this.memory = false;
  }

  killAll(): void {
    this.end();
    if (this.helper === 'alive') this.helper = 'gone';
    this.straggler = false;
    this.memory = false;
  }

  deliver(): void {
    const event = this.pending.shift();
    if (event) this.tell(event);
  }

  /** proveFreed tells what it finds; it may have been begun twice, and then tells twice. */
  probe(): void {
    if (!this.begun.has('proveFreed')) return;
    if (this.diskHeld) this.tell({ ...eventOfKind.resourcesBusy, busy });
    else this.tell({ ...eventOfKind.resourcesFree, proofs });
  }

  readMemory(): void {
    if (this.begun.has('watchMemory') && this.cgroup && !this.alive && !this.memory) this.tell(eventOfKind.memoryGone);
  }

  remove(): void {
    if (!this.begun.has('removeCgroup')) return;
    if (this.alive) this.tell({ ...eventOfKind.factsUnreadable, reason: 'rmdir: EBUSY' });
    else {
      this.cgroup = false;
      this.tell(eventOfKind.cgroupRemoved);
    }
  }

  /** Only what reads can find them unreadable; the launcher is over by then. */
  loseFacts(): void {
    if (this.begun.has('watchMemory') && this.cgroup) this.tell(eventOfKind.factsUnreadable);
  }

  findFacts(): void {
    if (this.begun.has('readFacts'))
      this.tell({ ...eventOfKind.factsRead, hypervisor: this.process === 'alive' ? 'alive' : 'gone' });
  }

  clock(effect: 'scheduleKill' | 'scheduleStragglers'): void {
    if (!this.begun.delete(effect)) return;
    if (effect === 'scheduleKill') this.tell(eventOfKind.killDue);
    else if (this.straggler || this.helper === 'alive') this.tell(eventOfKind.stragglersDue);
  }

  request(kind: Extract<EventKind, `${string}Requested`>, graceful: boolean): void {
    this.tell(kind === 'destroyRequested' ? { atMs, kind, graceful } : eventOfKind[kind]);
  }

  act(step: Step): void {
    switch (step) {
      case 'start':
        return this.request('startRequested', false);
      case 'force-start':
        return this.request('forceStartRequested', false);
      case 'shutdown':
        return this.request('shutdownRequested', false);
      case 'destroy':
        return this.request('destroyRequested', false);
      case 'destroy gracefully':
        return this.request('destroyRequested', true);
      case 'reboot':
        return this.request('rebootRequested', false);
      case 'reset':
        return this.request('resetRequested', false);
      case 'suspend':
        return this.request('suspendRequested', false);
      case 'resume':
        return this.request('resumeRequested', false);
      case 'guest panics':
        return this.process === 'alive' ? this.tell({ ...eventOfKind.guestPanicked, action: 'preserve' }) : undefined;
      case 'guest resets':
        return this.process === 'alive' ? this.tell(eventOfKind.guestReset) : undefined;
      case 'guest stops':
        return this.process === 'alive' ? this.tell(eventOfKind.guestShutdown) : undefined;
      case 'guest pauses':
        return this.process === 'alive' ? this.tell(eventOfKind.guestPaused) : undefined;
      case 'guest resumes':
        return this.process === 'alive' ? this.tell(eventOfKind.guestResumed) : undefined;
      case 'kill is due':
        return this.clock('scheduleKill');
      case 'stragglers are due':
        return this.clock('scheduleStragglers');
      case 'stalls':
        return this.begun.has('watchMemory') ? this.tell(eventOfKind.stalled) : undefined;
      case 'progresses':
        return this.begun.has('watchMemory') ? this.tell(eventOfKind.progressed) : undefined;
      default:
        this[step]();
    }
  }
}

const steps = [
  'start',
  'force-start',
  'shutdown',
  'reboot',
  'reset',
  'suspend',
  'resume',
  'guest panics',
  'guest resets',
  'destroy',
  'destroy gracefully',
  'guest stops',
  'guest pauses',
  'guest resumes',
  'kill is due',
  'stragglers are due',
  'stalls',
  'progresses',
  'born',
  'launched',
  'launchFails',
  'end',
  'deliver',
  'probe',
  'readMemory',
  'remove',
  'loseFacts',
  'findFacts',
] as const;
type Step = (typeof steps)[number];

const natures = fc.record({ straggler: fc.boolean(), ignoresSigterm: fc.boolean() });
/** Half of the lives come further than their launch. */
const lives = fc
  .tuple(
    fc.constantFrom<Step[]>([], ['born', 'launched']),
    fc.array(fc.constantFrom(...steps), { maxLength: 80, size: 'max' }),
  )
  .map(([first, rest]) => [...first, ...rest]);
/** One turn of everything the kernel and our own loops would do by themselves. */
const turn: readonly Step[] = [
  'launchFails',
  'deliver',
  'findFacts',
  'kill is due',
  'deliver',
  'probe',
  'stragglers are due',
  'readMemory',
  'remove',
];

describe('any life of a hypervisor', () => {
  test.prop([natures, lives], { numRuns: 500 })(
    'is not released while a process or memory is left, nor draining while the disk is held',
    (nature, life) => {
      const world = new World(nature);
      for (const step of life) world.act(step);
    },
  );

  test.prop([natures.map((nature) => ({ ...nature, straggler: false })), lives], { numRuns: 500 })(
    'comes to released once it is destroyed and the kernel does its part',
    (nature, life) => {
      expect(endOf(new World(nature), life)).toBe('released');
    },
  );

  test.prop([natures.map((nature) => ({ ...nature, straggler: true })), lives], { numRuns: 500 })(
    'comes to released even when a process is left behind in its cgroup',
    (nature, life) => {
      expect(endOf(new World(nature), life)).toBe('released');
    },
  );
});

/** Where a life ends up that is destroyed at its end and then left to the kernel and our loops. */
function endOf(world: World, life: readonly Step[]): IncarnationState['kind'] {
  for (const step of [...life, 'findFacts', 'destroy'] as const) world.act(step);
  for (let turns = 0; turns < 5; turns += 1) for (const step of turn) world.act(step);
  return world.state.kind;
}
