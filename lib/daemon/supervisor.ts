/**
 * One incarnation under watch: its state, and the handles on what is alive of it. Every change of state passes `apply`:
 * table -> journal -> publish -> effects, in this order and one at a time in the domain's queue. Kernel facts go before
 * requests. Nothing waits in the queue: effects that take long run beside it and come back as events.
 */
import type { Mutex } from 'async-mutex';
import type { Cgroup } from '../../cgroups/cgroup.ts';
import type { CgroupRoot } from '../../cgroups/hierarchy.ts';
import type { GuardStatus } from '../../native/guard.ts';
import { closeFd, watchPidfd } from '../../native/index.ts';
import type { Clock } from '../clock.ts';
import type { Incarnation, IncarnationState, Launch, ProcessIdentity } from '../domain/incarnation.ts';
import { transition } from '../domain/transition.ts';
import type { Effect, Verdict } from '../domain/transition-effect.ts';
import type { Event, EventKind } from '../domain/transition-event.ts';
import { DrainTracker } from '../drain/progress.ts';
import { TeardownTime } from '../drain/teardown-time.ts';
import type { Log } from '../log.ts';
import type { Places } from '../places.ts';
import type { QmpClient } from '../qemu/qmp.ts';
import type { EventLog } from './events.ts';
import type { Journal } from './journal.ts';

/** What every supervisor works with. */
export interface Services {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly root: CgroupRoot;
  readonly places: Places;
  readonly events: EventLog;
  /** Runs one effect; the returned promise ends when its work does. */
  runEffect(supervisor: Supervisor, effect: Effect): Promise<void>;
  /** Every incarnation that is not released. */
  all(): readonly Supervisor[];
  /** Called after each change of state; `seq`: its line in the journal, null where no disk took it. */
  published(supervisor: Supervisor, before: IncarnationState, seq: number | null): void;
}

type WithoutTime<E> = E extends Event ? Omit<E, 'atMs'> : never;
export type NewEvent = WithoutTime<Event>;

export interface Applied {
  readonly verdict: Verdict;
  /** Ends with the work of the effects; rejects with the first that failed. */
  readonly work: Promise<void>;
}

const requests: ReadonlySet<EventKind> = new Set([
  'startRequested',
  'forceStartRequested',
  'shutdownRequested',
  'rebootRequested',
  'resetRequested',
  'suspendRequested',
  'resumeRequested',
  'destroyRequested',
]);

/** No machine must go on, or be lost with its host, for want of room on a disk. */
const ends: ReadonlySet<EventKind> = new Set(['shutdownRequested', 'destroyRequested']);

/** What an incarnation may have in hand for later, one of each. */
type Plan = 'kill' | 'stragglers' | 'destroy' | 'status';

/** A live hypervisor, held by its pidfd. */
interface Handle {
  readonly identity: ProcessIdentity;
  readonly pidfd: number;
}

/** A brake in hand; `lib/daemon/brake.ts` is what it does. */
interface Hold {
  readonly status: GuardStatus | null;
  readonly isPausing: boolean;
  follow(): Promise<void>;
  lease<T>(command: () => Promise<T>): Promise<T>;
  release(): Promise<void>;
  end(): Promise<void>;
  abandon(): void;
}

export class Supervisor implements Incarnation {
  readonly launch: Launch;
  readonly cgroup: Cgroup;
  readonly services: Services;
  /** How memory comes back, while it does. */
  readonly tracker = new DrainTracker();
  /** Aborts every loop of this incarnation. */
  readonly ending = new AbortController();
  /** Who keeps the memory, if anyone was seen to. */
  holder: string | null = null;
  readonly teardownTime: TeardownTime;
  /** Proven; what follows is tidying up. */
  memoryIsGone = false;
  /** Claimed paths the teardown helper had mapped. */
  pinned: ReadonlySet<string> = new Set();
  /** Promised beside the launch's promise: what files that guests share are still to be given. */
  sharedBytes = 0;
  qmp: QmpClient | null = null;
  handle: Handle | null = null;
  /** While it may not have all that it was promised. */
  brake: Hold | null = null;
  readonly #queue: Mutex;
  #state: IncarnationState;
  readonly #listeners = new Set<() => void>();
  readonly #timers = new Map<Plan, NodeJS.Timeout>();

  constructor(options: { launch: Launch; state: IncarnationState; queue: Mutex; services: Services }) {
    this.launch = options.launch;
    this.services = options.services;
    this.#state = options.state;
    this.#queue = options.queue;
    this.cgroup = options.services.root.at(...cgroupParts(options.launch));
    this.teardownTime = new TeardownTime(this.cgroup);
  }

  /** The domain's own cgroup, in which the incarnation's lies. */
  branch(): Cgroup {
    return this.services.root.at(...cgroupParts(this.launch).slice(0, 1));
  }

  get state(): IncarnationState {
    return this.#state;
  }

  /** Queues an event; kernel facts overtake waiting requests. */
  async tell(event: NewEvent): Promise<Applied> {
    const priority = requests.has(event.kind) ? 0 : 1;
    return this.#queue.runExclusive(async () => this.apply(event), priority);
  }

  /** Applies an event; the caller is in the domain's queue. */
  async apply(event: NewEvent): Promise<Applied> {
    const verdict = transition(this.#state, { ...event, atMs: this.services.clock.now() });
    if (verdict.kind !== 'to') return { verdict, work: Promise.resolve() };
    const seq = await this.#record(event.kind, verdict.state);
    const before = this.#state;
    this.#state = verdict.state;
    if (this.#state.kind === 'exiting' && before.kind !== 'exiting') this.teardownTime.begin();
    this.services.log.info({
      domain: this.launch.domain,
      incarnation: this.launch.id,
      event: event.kind,
      state: verdict.state.kind,
    });
    this.services.published(this, before, seq);
    for (const listener of [...this.#listeners]) listener();
    const work = this.resume(...verdict.effects);
    work.catch((error: unknown) => {
      this.#logFailure(error, `after ${event.kind}`);
    });
    return { verdict, work };
  }

  /** Runs effects; recovery calls it to take them up where the last daemon left off. Ends with their work. */
  async resume(...effects: readonly Effect[]): Promise<void> {
    await Promise.all(effects.map(async (effect) => this.services.runEffect(this, effect)));
  }

  /** Resolves when `isThere` holds for the state; rejects with the signal's reason. */
  async until(isThere: (state: IncarnationState) => boolean, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (isThere(this.#state)) return;
    await new Promise<void>((resolve, reject) => {
      const done = (finish: () => void): void => {
        this.#listeners.delete(listener);
        signal.removeEventListener('abort', onAbort);
        finish();
      };
      const listener = (): void => {
        if (isThere(this.#state)) done(resolve);
      };
      const onAbort = (): void => {
        done(() => {
          reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
        });
      };
      this.#listeners.add(listener);
      signal.addEventListener('abort', onAbort);
    });
  }

  /** Takes over a pidfd: its exit becomes an event. `lastWords` is asked then, for the detail of a failure. */
  watchHypervisor(handle: Handle, lastWords: () => Promise<string | null>): void {
    this.handle = handle;
    watchPidfd(handle.pidfd, ({ code, signal }) => {
      closeFd(handle.pidfd);
      this.handle = null;
      this.inBackground('hypervisor exit', async () => {
        const detail = code === 0 ? null : await lastWords();
        await this.tell({ kind: 'hypervisorExited', exitCode: code, signal, detail });
      });
    });
  }

  /** Starts work that nobody awaits; its failure is logged, as is right for what only comes back as events. */
  inBackground(what: string, work: () => Promise<void>): void {
    work().catch((error: unknown) => {
      this.#logFailure(error, what);
    });
  }

  /** Does `work` in `ms`, in the background, unless it is planned anew before or the incarnation ends. */
  plan(plan: Plan, ms: number, work: () => Promise<void>): void {
    this.unplan(plan);
    const timer = setTimeout(() => {
      this.#timers.delete(plan);
      this.inBackground(plan, work);
    }, ms);
    this.#timers.set(plan, timer);
  }

  isPlanned(plan: Plan): boolean {
    return this.#timers.has(plan);
  }

  unplan(plan: Plan): void {
    clearTimeout(this.#timers.get(plan));
    this.#timers.delete(plan);
  }

  /** Lets go of everything in this process; nothing outside is touched. */
  close(): void {
    this.ending.abort();
    for (const plan of this.#timers.keys()) this.unplan(plan);
    this.brake?.abandon();
    this.qmp?.close();
    this.qmp = null;
  }

  /** A request whose record cannot be written is refused, but for an end; a kernel fact is true all the same. */
  async #record(event: EventKind, state: IncarnationState): Promise<number | null> {
    const stands = !requests.has(event) || ends.has(event);
    try {
      return await this.services.journal.append(
        { kind: 'state', incarnation: this.launch.id, event, state },
        { stands },
      );
    } catch (error) {
      if (!stands) throw error;
      this.services.log.error({ domain: this.launch.domain, incarnation: this.launch.id, err: error }, 'journal');
      return null;
    }
  }

  #logFailure(error: unknown, what: string): void {
    if (this.ending.signal.aborted) return;
    this.services.log.error({ domain: this.launch.domain, incarnation: this.launch.id, err: error }, what);
  }
}

/** Names of the incarnation's cgroup below the root: the domain's, then its number. */
function cgroupParts(launch: Launch): string[] {
  return launch.cgroup.split('/').slice(-2);
}
