/**
 * The brake of one incarnation that began with less than it was promised: its guard freezes and thaws, this tells the guard
 * what is true, lets commands through, and turns a brake that lasts into a true pause. No cgroup is written from here once
 * the threads are sorted: that is the guard's, in a process of its own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Guard, type GuardOrder, type GuardStatus } from '../../native/guard.ts';
import { brakeMargin } from '../admission/bound.ts';
import type { BrakeOrder } from '../domain/incarnation.ts';
import type { Domain } from '../domain/definition.ts';
import { messageOf } from '../errors.ts';
import { cont, queryCpus, queryStatus, stop } from '../qemu/commands.ts';
import type { QmpClient } from '../qemu/qmp.ts';
import { boundWith, isDraining } from './accounts.ts';
import { launchedDomain } from './stored-domain.ts';
import type { Supervisor } from './supervisor.ts';

/** A guest that has stood still for most of so long is paused, and said to be: its clock and its watchdogs stop with it. */
const pauseAfterMs = 1000;
/** Most of it: it runs for the moments of a lease, and for what comes back meanwhile. */
const lastingShare = 0.75;
/** A question to a hypervisor that is not answered by then: a vCPU stands still with its lock, or it waits for one. */
const answersWithinMs = 150;
/** For one command; it ends with its answer. */
const leaseMs = 60_000;
/** A machine that does not run needs no freezer; said anew at every look. */
const restMs = 1000;
/** One that cannot live must not be made again without end at once. */
const replaceAfterMs = 100;
const foreverMs = 24 * 3_600_000;

/**
 * Takes the brake of an incarnation whose hypervisor answers and whose guest does not run yet. False: it needs none, all that
 * it was promised is there. Throws what keeps it from being braked: then it must not run.
 */
export async function engageBrake(supervisor: Supervisor, domain: Domain, qmp: QmpClient): Promise<boolean> {
  const { brake, promisedBytes } = supervisor.launch;
  const drains = supervisor.services.all().filter(isDraining);
  if (brake === null || drains.length === 0) return false;
  const bound = boundWith(supervisor, brake.capacityBytes);
  if (!bound.known) throw new Error(`the bound of its memory is unknown: ${bound.reason}`);
  const threads = new Set((await queryCpus(qmp)).map(({ threadId }) => threadId));
  const order: GuardOrder = {
    memory: supervisor.cgroup.memoryDirectory,
    freezers: await supervisor.cgroup.freezersOf('vcpus', [...threads]),
    drains: drains.map(({ cgroup }) => cgroup.memoryDirectory),
    turn: supervisor.cgroup.lockFile,
    neededBytes: promisedBytes,
    boundBytes: bound.value,
    marginBytes: brakeMargin(brake.margin, promisedBytes, threads.size),
    floorBytes: 0,
    vcpus: threads.size,
    maxAfter: limitText(domain.memtune.hardLimitBytes),
    highAfter: limitText(domain.memtune.softLimitBytes),
  };
  const hold = new Brake(supervisor, brake, order, drains);
  await hold.take();
  supervisor.brake = hold;
  return true;
}

function limitText(bytes: number | null): string {
  return bytes === null ? 'max' : String(bytes);
}

class Brake {
  readonly #supervisor: Supervisor;
  readonly #launched: BrakeOrder;
  readonly #order: GuardOrder;
  #guard: Guard | null = null;
  #status: GuardStatus | null = null;
  /** Incarnations whose memory the guard counts as coming back. */
  readonly #drains: Set<Supervisor>;
  #known = '';
  #leases = 0;
  #isResting = false;
  #isPausing = false;
  #isBusy = false;
  #isAsking = false;
  #isAbandoned = false;
  /** When it had stood still for how long, over the last while. */
  #past: { readonly atMs: number; readonly frozenMs: number }[] = [];
  readonly #ended = new Set<Supervisor>();

  constructor(supervisor: Supervisor, launched: BrakeOrder, order: GuardOrder, drains: readonly Supervisor[]) {
    this.#supervisor = supervisor;
    this.#launched = launched;
    this.#order = order;
    this.#drains = new Set(drains);
  }

  /** As of the last look; null before the first. */
  get status(): GuardStatus | null {
    return this.#status;
  }

  /** QEMU's next STOP is ours. */
  get isPausing(): boolean {
    return this.#isPausing;
  }

  /** Has the brake in hand when it resolves. */
  async take(): Promise<void> {
    const floorBytes = this.#status?.limitBytes ?? this.#order.floorBytes;
    this.#past = [];
    const drains = [...this.#drains].map(({ cgroup }) => cgroup.memoryDirectory);
    this.#guard = await Guard.start({ ...this.#order, drains, floorBytes }, (status) => {
      this.#look(status);
    });
  }

  /** Follows the guard to its end; another takes the place of one that dies. Says so when all that was promised is there. */
  async follow(): Promise<void> {
    for (;;) {
      const end = await this.#guard?.ended;
      if (this.#isAbandoned) return;
      if (end !== 'died' || !isLive(this.#supervisor)) {
        this.#supervisor.brake = null;
        if (end === 'lifted') await this.#supervisor.tell({ kind: 'unbraked' });
        return;
      }
      this.#supervisor.services.log.warn({ incarnation: this.#supervisor.launch.id }, 'the guard of a brake died');
      await this.#replace();
    }
  }

  /** What the one that died left frozen must not stay so, whatever keeps another from taking its place. */
  async #replace(): Promise<void> {
    try {
      await sleep(replaceAfterMs);
      await this.take();
    } catch (error) {
      this.#supervisor.brake = null;
      await this.#supervisor.cgroup.thaw();
      throw error;
    }
  }

  /**
   * Runs a command that waits until vCPUs stop: it is sent first, so that they are asked to as soon as they run. The vCPUs
   * run until it has answered.
   */
  async lease<T>(command: () => Promise<T>): Promise<T> {
    this.#leases += 1;
    try {
      const answer = command();
      answer.catch(() => undefined);
      await this.#guard?.thaw(leaseMs);
      return await answer;
    } finally {
      this.#leases -= 1;
      if (this.#leases === 0) this.#guard?.brake();
    }
  }

  /** Thaws for good: what is left to do is to end. */
  async release(): Promise<void> {
    this.#leases += 1;
    await this.#guard?.thaw(foreverMs);
  }

  /** The hypervisor is gone, and with it what was to be held. */
  async end(): Promise<void> {
    await this.#guard?.lift();
  }

  /** This process ends: the guard thaws, and keeps the fence. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#guard?.abandon();
  }

  #look(status: GuardStatus): void {
    this.#status = status;
    this.#remember(status);
    this.#tellGuard();
    this.#ask(status);
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#supervisor.inBackground('brake', async () => {
      try {
        await this.#act(status);
      } finally {
        this.#isBusy = false;
      }
    });
  }

  /** Others that drain, and what the live before it may claim: read anew when one of them has moved on. */
  #tellGuard(): void {
    const all = this.#supervisor.services.all();
    const known = all.map(({ launch, state }) => `${launch.id} ${state.kind}`).join();
    if (known === this.#known) return;
    this.#known = known;
    // First what lowers the limit, then what raises it.
    for (const drain of all.filter((one) => isDraining(one) && !this.#drains.has(one))) {
      this.#drains.add(drain);
      this.#guard?.drain(drain.cgroup.memoryDirectory);
    }
    const bound = boundWith(this.#supervisor, this.#launched.capacityBytes);
    if (bound.known) this.#guard?.bound(bound.value);
    else this.#known = '';
  }

  async #act(status: GuardStatus): Promise<void> {
    const { state, qmp } = this.#supervisor;
    this.#rest(state.kind === 'paused');
    await this.#heedStall();
    if (!qmp) return;
    if (state.kind === 'running' && this.#hasLasted(status)) await this.#pause(qmp);
    if (state.kind === 'paused' && state.reason === 'memory' && this.#hasRoom(status)) await cont(qmp);
  }

  #remember({ frozenMs }: GuardStatus): void {
    const atMs = performance.now();
    const recent = this.#past.findLastIndex((old) => atMs - old.atMs >= pauseAfterMs);
    this.#past = [...this.#past.slice(Math.max(0, recent)), { atMs, frozenMs }];
  }

  #hasLasted({ frozenMs }: GuardStatus): boolean {
    const [oldest] = this.#past;
    if (!oldest || performance.now() - oldest.atMs < pauseAfterMs) return false;
    return frozenMs - oldest.frozenMs >= pauseAfterMs * lastingShare;
  }

  #rest(isPaused: boolean): void {
    if (isPaused) void this.#guard?.thaw(restMs);
    else if (this.#isResting && this.#leases === 0) this.#guard?.brake();
    this.#isResting = isPaused;
  }

  async #pause(qmp: QmpClient): Promise<void> {
    this.#isPausing = true;
    try {
      await this.lease(async () => stop(qmp));
      this.#past = [];
      await this.#supervisor.tell({ kind: 'guestPaused', reason: 'memory' });
    } finally {
      this.#isPausing = false;
    }
  }

  /** Enough to run for a while, or it would stop and go. */
  #hasRoom({ heldBytes, limitBytes }: GuardStatus): boolean {
    return limitBytes - heldBytes >= 2 * this.#order.marginBytes;
  }

  /** A hypervisor that waits for its vCPUs (a guest's own reset, a watchdog's) cannot say so: its silence does. */
  #ask({ stillMs }: GuardStatus): void {
    const { qmp } = this.#supervisor;
    if (stillMs === 0 || this.#isAsking || !qmp || this.#leases > 0) return;
    this.#isAsking = true;
    this.#supervisor.inBackground('brake: a hypervisor that does not answer', async () => {
      try {
        const answer = queryStatus(qmp);
        answer.catch(() => undefined);
        const isLate = await Promise.race([answer.then(() => false), sleep(answersWithinMs, true)]);
        if (isLate) await this.lease(async () => answer);
      } finally {
        this.#isAsking = false;
      }
    });
  }

  /** The awaited memory stopped falling: what the policy of its launch wants done, once for each that stalls. */
  async #heedStall(): Promise<void> {
    const { onStall } = this.#launched;
    if (onStall === 'keep') return;
    for (const drain of this.#drains) {
      const { state, launch } = drain;
      const isStalled = state.kind === 'draining' && state.stalledSinceMs !== null;
      if (!isStalled || this.#ended.has(drain)) continue;
      this.#ended.add(drain);
      if (onStall === 'stop-new') await this.#supervisor.tell({ kind: 'destroyRequested', graceful: false });
      else if (launch.domain === this.#supervisor.launch.domain)
        await this.#supervisor.services.runEffect(drain, { kind: 'killCgroup' });
    }
  }
}

function isLive({ state }: Supervisor): boolean {
  return state.kind === 'launching' || 'brakedSinceMs' in state;
}

/** After a daemon that died: the brake of an incarnation that was not lifted, or the word that it is. */
export async function takeBrakeAgain(supervisor: Supervisor, qmp: QmpClient): Promise<void> {
  const { state, launch } = supervisor;
  if (supervisor.brake || !('brakedSinceMs' in state) || state.brakedSinceMs === null) return;
  if (await engageBrake(supervisor, launchedDomain(launch), qmp)) followBrake(supervisor);
  else await supervisor.tell({ kind: 'unbraked' });
}

/** The command, let through where vCPUs may stand still. */
export async function thawed<T>({ brake }: Supervisor, command: () => Promise<T>): Promise<T> {
  return brake ? brake.lease(command) : command();
}

/** Follows the brake that was engaged, beside everything else; one that was lifted meanwhile is told of now. */
export function followBrake(supervisor: Supervisor): void {
  const { brake } = supervisor;
  if (!brake) return;
  brake.follow().catch((error: unknown) => {
    if (supervisor.ending.signal.aborted) return;
    const reason = messageOf(error);
    supervisor.services.log.error({ incarnation: supervisor.launch.id, err: error }, `brake: ${reason}`);
  });
}
