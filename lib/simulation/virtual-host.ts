/**
 * A host in numbers: machines that hold, drain, boot and touch memory, tick by tick, admitted and bounded by the very
 * functions that decide on a real host. Must not know: files, tables.
 */
import { brakeMargin, type Limit, limitOf } from '../admission/bound.ts';
import { decide, type Moment } from '../admission/decision.ts';
import { drawUp, type Ledger, promisedBytes, type QueuedStart } from '../admission/ledger.ts';
import type { HostConfig, Policy } from '../policy/types.ts';
import { resolveReserve, resolveShare } from '../policy/values.ts';
import { known } from '../reading.ts';
import type { Group, Scenario } from './scenario.ts';

/** exiting: destroyed, its exclusive resources not free yet. */
type Phase = 'live' | 'exiting' | 'draining';

interface Machine {
  readonly incarnation: number;
  readonly domain: string;
  readonly vcpus: number;
  readonly promised: number;
  phase: Phase;
  held: number;
  /** What it touches in the end. */
  readonly wants: number;
  /** What it was started for; null: it was there from the beginning. */
  readonly restart: Restart | null;
  /** The bound it grows under; null: it never was braked. */
  limit: Limit | null;
  sinceMs: number;
}

/** One domain that is restarted; times from the beginning. */
export interface Restart {
  readonly domain: string;
  readonly destroyedMs: number;
  /** What is destroyed; null: its memory is back. */
  first: Machine | null;
  admittedMs: number | null;
  servesMs: number | null;
  /** How long its limit was less than its promise. */
  brakedMs: number;
  /** How long it would have touched more than it was let have. */
  heldBackMs: number;
}

export class VirtualHost {
  readonly restarts: readonly Restart[];
  nowMs = 0;
  /** The most that was ever in use, other programs included. */
  peakBytes = 0;
  readonly #scenario: Scenario;
  readonly #policy: Policy;
  readonly #config: HostConfig;
  #machines: Machine[] = [];
  #lastIncarnation = 0;

  constructor(scenario: Scenario, policy: Policy, config: HostConfig) {
    this.#scenario = scenario;
    this.#policy = policy;
    this.#config = config;
    const { restart, neighbours } = scenario;
    for (let index = 1; index <= neighbours.count; index += 1) this.#add(`other${index}`, neighbours, null);
    this.restarts = Array.from({ length: restart.count }, (_, index) => {
      const first = this.#add(`guest${index + 1}`, restart, null);
      const times = { destroyedMs: index * restart.everyMs, admittedMs: null, servesMs: null };
      return { domain: first.domain, first, ...times, brakedMs: 0, heldBackMs: 0 };
    });
    this.#measure();
  }

  /** What may be in use at the most: capacity, and what other programs have. */
  get boundBytes(): number {
    return this.ledger([]).capacityBytes + this.#scenario.host.otherBytes;
  }

  /** Everyone serves, nothing drains, no brake is left. */
  get isAtRest(): boolean {
    const busy = this.#machines.some(({ phase, limit }) => phase !== 'live' || limit?.lifted === false);
    return !busy && this.restarts.every(({ servesMs }) => servesMs !== null);
  }

  ledger(queued: readonly QueuedStart[]): Ledger {
    const { host } = this.#scenario;
    const availableBytes = Math.max(0, host.memoryBytes - host.otherBytes - this.#heldBytes());
    const ledger = drawUp(
      known({ totalBytes: host.memoryBytes, availableBytes, hugePoolBytes: 0 }),
      { overcommit: host.overcommit, reserveBytes: resolveReserve(host.reserve, host.memoryBytes) },
      this.#machines.map(({ incarnation, domain, phase, promised, held }) => ({
        ...{ incarnation, domain, promisedBytes: promised, held: known(held) },
        phase: phase === 'draining' ? 'draining' : 'live',
      })),
      { queued },
    );
    if (ledger.known) return ledger.value;
    throw new Error(ledger.reason);
  }

  /** All that happens in so much time: ends, admissions, memory given back, then memory touched. */
  tick(ms: number): void {
    this.#endThoseDue();
    this.#admit();
    this.nowMs += ms;
    for (const machine of this.#machines) if (machine.phase === 'draining') this.#drain(machine, ms);
    this.#machines = this.#machines.filter(({ phase, held }) => phase !== 'draining' || held > 0);
    this.#bound();
    for (const machine of this.#machines) if (machine.restart) this.#grow(machine, machine.restart, ms);
    this.#measure();
  }

  #add(domain: string, group: Group, restart: Restart | null): Machine {
    const promised = promisedBytes({ ...group, inHugePages: false }, this.#config.overhead);
    const wants = Math.floor((promised * group.heldPercent) / 100);
    const machine: Machine = {
      ...{ incarnation: (this.#lastIncarnation += 1), domain, vcpus: group.vcpus, promised, wants, restart },
      ...{ phase: 'live', held: restart === null ? wants : 0, limit: null, sinceMs: this.nowMs },
    };
    this.#machines.push(machine);
    return machine;
  }

  #endThoseDue(): void {
    for (const { first, destroyedMs } of this.restarts) {
      if (first?.phase === 'live' && destroyedMs <= this.nowMs) turn(first, 'exiting', destroyedMs);
      const freedMs = destroyedMs + this.#scenario.drain.freedMs;
      if (first?.phase === 'exiting' && freedMs <= this.nowMs) turn(first, 'draining', freedMs);
    }
  }

  /** In the order they were destroyed, each after what is set aside for those before. */
  #admit(): void {
    const queued: QueuedStart[] = [];
    for (const restart of this.restarts) {
      if (restart.admittedMs !== null || restart.destroyedMs > this.nowMs) continue;
      if (restart.first?.phase !== 'exiting' && this.#isAdmitted(restart, queued)) this.#start(restart);
      else queued.push({ domain: restart.domain, promisedBytes: this.#promised });
    }
  }

  get #promised(): number {
    return promisedBytes({ ...this.#scenario.restart, inHugePages: false }, this.#config.overhead);
  }

  #isAdmitted({ domain, first }: Restart, queued: readonly QueuedStart[]): boolean {
    const { forceStart } = this.#policy;
    const promised = this.#promised;
    const { vcpus } = this.#scenario.restart;
    const request = {
      ...{ domain, promisedBytes: promised, ownDraining: first ? [first.incarnation] : [] },
      overheadBytes: promisedBytes({ memoryBytes: 0, vcpus, inHugePages: true }, this.#config.overhead),
      verb: forceStart.allow ? ('force-start' as const) : ('start' as const),
      class: this.#scenario.restart.preallocated ? ('eager' as const) : ('lazy' as const),
    };
    const rule = { ...forceStart, maxShortfallBytes: resolveShare(forceStart.maxShortfall, promised) };
    return decide(known(this.ledger(queued)), request, rule, this.#moment()).refusal === null;
  }

  /** A rate is measured: there is none before something has drained for a while. */
  #moment(): Moment {
    const draining = this.#machines.filter(({ phase }) => phase === 'draining');
    const isNew = draining.some(({ sinceMs }) => this.nowMs - sinceMs < measuredAfterMs);
    const flowing = draining.filter((machine) => !this.#isStalled(machine));
    const rate = flowing.length * this.#scenario.drain.rateBytes;
    return { drainRateBytes: isNew ? null : rate, pressurePercent: known(this.#scenario.host.pressurePercent) };
  }

  #start(restart: Restart): void {
    restart.admittedMs = this.nowMs;
    const machine = this.#add(restart.domain, this.#scenario.restart, restart);
    machine.limit = limitOf(this.ledger([]), machine.incarnation, null);
    if (this.#scenario.restart.preallocated) machine.held = machine.wants;
  }

  #drain(machine: Machine, ms: number): void {
    if (this.#isStalled(machine)) return;
    machine.held = Math.max(0, machine.held - Math.floor((this.#scenario.drain.rateBytes * ms) / 1000));
    const restart = machine.held === 0 && this.restarts.find(({ first }) => first === machine);
    if (restart) restart.first = null;
  }

  #isStalled({ sinceMs }: Machine): boolean {
    const { stallAfterMs, stallForMs } = this.#scenario.drain;
    if (stallAfterMs === null) return false;
    const drainsForMs = this.nowMs - sinceMs;
    return drainsForMs >= stallAfterMs && drainsForMs < stallAfterMs + stallForMs;
  }

  #bound(): void {
    const braked = this.#machines.filter(({ phase, limit }) => phase === 'live' && limit?.lifted === false);
    if (braked.length === 0) return;
    const ledger = this.ledger([]);
    for (const machine of braked) machine.limit = limitOf(ledger, machine.incarnation, machine.limit);
  }

  #grow(machine: Machine, restart: Restart, ms: number): void {
    const { boot } = this.#scenario;
    const wanted = Math.min(machine.wants, machine.held + Math.floor((boot.dirtyRateBytes * ms) / 1000));
    const allowed = Math.max(machine.held, Math.min(wanted, this.#roomOf(machine)));
    if (machine.limit?.lifted === false) restart.brakedMs += ms;
    if (allowed < wanted) restart.heldBackMs += ms;
    machine.held = allowed;
    const isUp = this.nowMs - machine.sinceMs >= boot.timeMs;
    const needs = Math.floor((machine.promised * boot.needsPercent) / 100);
    if (isUp && machine.held >= needs) restart.servesMs ??= this.nowMs;
  }

  /** The brake slows it down a margin below its limit. */
  #roomOf({ limit, vcpus }: Machine): number {
    if (limit === null || limit.lifted) return Number.POSITIVE_INFINITY;
    return limit.limitBytes - brakeMargin(this.#policy.brake.margin, limit.fenceBytes, vcpus);
  }

  #measure(): void {
    this.peakBytes = Math.max(this.peakBytes, this.#scenario.host.otherBytes + this.#heldBytes());
  }

  #heldBytes(): number {
    return this.#machines.reduce((sum, { held }) => sum + held, 0);
  }
}

/** A tracker says nothing before (lib/drain/progress.ts). */
const measuredAfterMs = 50;

function turn(machine: Machine, phase: Phase, atMs: number): void {
  machine.phase = phase;
  machine.sinceMs = atMs;
}
