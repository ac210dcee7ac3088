/**
 * start and force-start: state, claims and memory decided in one step that nothing can come between, then the launch.
 * Two locks, always in this order: the domain's queue, then `admission`, which orders admissions across domains so that two
 * starts cannot be promised the same bytes. Both are held for readings and one journal write, never while waiting.
 */
import { Mutex } from 'async-mutex';
import type { Cgroup } from '../../cgroups/cgroup.ts';
import { decide, type Decision } from '../admission/decision.ts';
import type { CancelAnswer, StartAnswer } from '../client/contract.ts';
import { findConflict } from '../domain/claims.ts';
import type { BrakeOrder, Launch } from '../domain/incarnation.ts';
import { cgroupName } from '../domain/names.ts';
import { transition } from '../domain/transition.ts';
import { DomctlError, isErrno } from '../errors.ts';
import { readBootId, readMemoryPressure } from '../host/inventory.ts';
import { planLoans } from '../host/loans.ts';
import { claimMadeTaps } from '../host/taps.ts';
import type { Policy } from '../policy/types.ts';
import { formatShare, resolveShare } from '../policy/values.ts';
import { agentSocket } from '../qemu/chardev.ts';
import { emitDomain } from '../xml/emit.ts';
import { forcedStart, isDraining, readLedger } from './accounts.ts';
import { runtimeDirectory } from './runtime-files.ts';
import { companionsOf } from './companions.ts';
import { reach } from './fault-points.ts';
import type { Entry, Fleet } from './fleet.ts';
import { launchHypervisor } from './launcher.ts';
import { becomesReleased, hasLostPort } from './lost-ports.ts';
import { goingFirst } from './precedence.ts';
import type { Neighbours } from './neighbours.ts';
import { needOf, type Preparation, prepare, withPorts } from './preparation.ts';
import { refusedByClaim, refusedByLedger, refusedByState, refusedByTaken, type StartVerb } from './refusals.ts';
import { isTaken } from './resources.ts';
import type { Services, Supervisor } from './supervisor.ts';
import { errorEnvelope } from '../client/envelope.ts';
import { refusedByStray } from './strays.ts';
import { endOfWait, StartQueue } from './start-queue.ts';
import type { Admission, StartOrder } from './start-order.ts';
import { WaitingStarts } from './waiting-starts.ts';
import { drainRate } from './views.ts';

export class Starter {
  readonly #fleet: Fleet;
  readonly #services: Services;
  readonly #neighbours: Neighbours;
  readonly #queue: StartQueue;
  readonly #waiting: WaitingStarts;
  readonly #admission = new Mutex();

  constructor(fleet: Fleet, services: Services, neighbours: Neighbours) {
    this.#fleet = fleet;
    this.#services = services;
    this.#neighbours = neighbours;
    this.#queue = new StartQueue(fleet, services);
    this.#waiting = new WaitingStarts({
      fleet,
      services,
      queue: this.#queue,
      attempt: async (entry, order) => this.#attempt(entry, order),
      launch: async (entry, order, admission) => this.#launch(entry, order, admission),
    });
  }

  /** Starts that were queued when an earlier daemon ended: their places first, then the waiting. */
  get waiting(): Pick<WaitingStarts, 'restore' | 'serve'> {
    return this.#waiting;
  }

  /** Takes a queued start out; whoever waits for it is told. Throws WRONG_STATE where there is none. */
  cancel(reference: string): CancelAnswer {
    const entry = this.#fleet.find(reference);
    if (!entry.queued) throw new DomctlError('WRONG_STATE', `no start of domain '${entry.name}' is queued`);
    entry.queued.stop('cancelled');
    return { name: entry.name, cancelled: true };
  }

  /** The daemon ends; what is queued is the next one's. */
  close(): void {
    this.#queue.close();
  }

  /** Starts the domain, or says what starting would cost. Throws the refusal. */
  async start(reference: string, order: StartOrder): Promise<StartAnswer> {
    const entry = this.#fleet.find(reference);
    if (order.dryRun) return this.#answer(entry, order, await this.#attempt(entry, order));
    if (order.wait) return this.#waiting.start(entry, order);
    return goingFirst(entry.supervisors, async (goOn) => {
      const admission = await this.#attempt(entry, order);
      if (admission.preparation.class === 'eager') goOn();
      return this.#launch(entry, order, admission);
    });
  }

  /** Starts a domain that was reserved and has no definition: it goes with this incarnation. Throws the refusal. */
  async startTransient(entry: Entry, order: StartOrder): Promise<StartAnswer> {
    return this.#launch(entry, order, await this.#attempt(entry, order));
  }

  async #launch(entry: Entry, order: StartOrder, admission: Admission): Promise<StartAnswer> {
    const supervisor = admittedIn(admission);
    try {
      await launchHypervisor(supervisor, admission.preparation);
      return this.#answer(entry, order, admission);
    } catch (error) {
      const again = (await hasLostPort(error, admission.preparation)) && (await becomesReleased(supervisor));
      if (!again) throw error;
      this.#services.log.warn({ domain: entry.name, err: error }, 'a chosen port was lost: started again with another');
    }
    // A launch of its own, by a number of its own: the first one stays told as it was.
    const second = await this.#attempt(entry, { ...order, wait: false });
    await launchHypervisor(admittedIn(second), second.preparation);
    return this.#answer(entry, order, second);
  }

  /** Decides, and unless it is a dry run registers the launch. Refusals come back as values: a waiter may go on. */
  async #attempt(entry: Entry, order: StartOrder): Promise<Admission> {
    const definition = entry.definition ?? entry.reserved;
    if (!definition)
      throw new DomctlError('NO_SUCH_DOMAIN', `domain '${entry.name}' is undefined: only its last incarnation is left`);
    const preparation = await prepare(definition, this.#services);
    return entry.queue.runExclusive(async () => {
      if ((entry.definition ?? entry.reserved) !== definition) {
        throw new DomctlError('WRONG_STATE', `domain '${entry.name}' was redefined meanwhile`, {
          hint: 'start it again',
        });
      }
      return this.#admission.runExclusive(async () => {
        const ready = await withPorts(preparation, this.#fleet.claimHolders());
        if (order.dryRun) return this.#decide(entry, order, ready);
        const promise = { domain: entry.name, promisedBytes: ready.promisedBytes };
        return this.#neighbours.considering(promise, async () => this.#decide(entry, order, ready));
      });
    });
  }

  async #decide(entry: Entry, order: StartOrder, preparation: Preparation): Promise<Admission> {
    const verb: StartVerb = order.force ? 'force-start' : 'start';
    const ownDraining = entry.supervisors.filter(isDraining);
    const queue = this.#queue.before(entry);
    const books = { fleet: this.#fleet, neighbours: this.#neighbours, host: preparation.host.value };
    const ledger = await readLedger(books, queue);
    const rateBytes = drainRate(this.#fleet.supervisors);
    const { forceStart } = preparation.policy.value;
    const allowedBytes = resolveShare(forceStart.maxShortfall, preparation.promisedBytes);
    const decision = decide(
      ledger,
      {
        domain: entry.name,
        verb,
        promisedBytes: preparation.promisedBytes,
        overheadBytes: preparation.overheadBytes,
        class: preparation.class,
        ownDraining: ownDraining.map(({ launch }) => launch.id),
      },
      { ...forceStart, maxShortfallBytes: allowedBytes },
      { drainRateBytes: rateBytes, pressurePercent: await readMemoryPressure() },
    );
    const { arithmetic, refusal } = decision;
    const followed = new Set(entry.supervisors.map(({ launch }) => launch.cgroup));
    const error =
      this.#refuseByState(entry, verb) ??
      refusedByStray(this.#services.root, entry.name, followed) ??
      (await this.#refuseByClaims(entry, preparation)) ??
      preparation.shortage ??
      (refusal
        ? refusedByLedger({
            verb,
            domain: entry.name,
            refusal,
            arithmetic,
            policy: preparation.policy,
            memoryBytes: preparation.domain.memoryBytes,
            allowedBytes,
            ownDraining,
            rateBytes,
            queue,
          })
        : null);
    refuseStopped(entry, order);
    const supervisor =
      error || order.dryRun ? null : await this.#register(entry, order, preparation, decision, ownDraining);
    return { preparation, decision, error, supervisor };
  }

  /** The transition table has the say of each incarnation that is left. */
  #refuseByState(entry: Entry, verb: StartVerb): DomctlError | null {
    const kind = verb === 'start' ? 'startRequested' : 'forceStartRequested';
    for (const supervisor of entry.supervisors.toReversed()) {
      const verdict = transition(supervisor.state, { kind, atMs: this.#services.clock.now() });
      // The ledger refuses for a draining one: it knows whether draining bytes alone stand in the way.
      if (verdict.kind !== 'refused' || verdict.code === 'INCARNATION_DRAINING') continue;
      return refusedByState(verb, supervisor, verdict.code);
    }
    return null;
  }

  async #refuseByClaims(entry: Entry, preparation: Preparation): Promise<DomctlError | null> {
    const conflict = findConflict(preparation.claims, this.#fleet.claimHolders());
    if (!conflict) return refuseTaken(entry, preparation);
    return refusedByClaim(entry.name, conflict);
  }

  /** The promise becomes real here: journaled before anything of it exists. */
  async #register(
    entry: Entry,
    order: StartOrder,
    preparation: Preparation,
    decision: Decision,
    ownDraining: readonly Supervisor[],
  ): Promise<Supervisor> {
    const id = this.#fleet.nextId();
    const { domain, policy, capabilities, user } = preparation;
    const { places } = this.#services;
    const launch: Launch = {
      id,
      domain: entry.name,
      uuid: domain.uuid,
      bootId: readBootId(),
      cgroup: this.#services.root.at(cgroupName(entry.name), String(id)).path,
      memoryBytes: domain.memoryBytes,
      promisedBytes: preparation.promisedBytes - preparation.sharedBytes,
      vcpus: domain.vcpus,
      claims: [...preparation.claims, ...claimMadeTaps(domain.interfaces, id)],
      // Anew: a predecessor may have given back meanwhile what was still lent to it when this was prepared.
      loans: user ? await planLoans(needOf(domain, preparation.claims, { user, places })) : [],
      companions: companionsOf(domain),
      clocks: {
        killAfterMs: policy.value.destroy.killAfterMs,
        freedTimeoutMs: policy.value.destroy.freedTimeoutMs,
        stalledAfterMs: policy.value.teardown.stalledAfterMs,
      },
      startPaused: order.paused,
      lifecycle: domain.lifecycle,
      agentSocket: agentSocket(domain, runtimeDirectory(places, id)),
      shutdown: { modes: policy.value.shutdown.mode, forceAfterMs: policy.value.shutdown.forceAfterMs },
      helper: preparation.helper,
      emulator: capabilities.emulator,
      emulatorVersion: capabilities.version,
      policy: policy.value.name,
      xml: emitDomain(domain),
      requester: order.requester,
      forced: order.force ? forcedStart(decision, ownDraining) : null,
      brake: brakeOf(decision, policy.value),
    };
    const state = { kind: 'launching', sinceMs: this.#services.clock.now(), hypervisor: null } as const;
    // The cgroup comes before its record: a directory that exists already is somebody else's, and must never count as ours.
    const cgroup = await this.#makeCgroup(entry, id);
    reach('cgroup made');
    try {
      await this.#services.journal.append({ kind: 'launch', launch, state });
    } catch (error) {
      await cgroup.removeIfEmpty();
      throw error;
    }
    const supervisor = this.#fleet.adopt(launch, state, this.#services);
    supervisor.sharedBytes = preparation.sharedBytes;
    // Counted as live from now on, and not set aside as well.
    entry.queued = null;
    this.#fleet.changed();
    return supervisor;
  }

  /** A predecessor that is released at this moment takes an empty branch with it: then it is made again. */
  async #makeCgroup(entry: Entry, id: number): Promise<Cgroup> {
    const { root } = this.#services;
    const cgroup = root.at(cgroupName(entry.name), String(id));
    for (let attempt = 1; ; attempt += 1) {
      await root.makeBranch(cgroupName(entry.name));
      try {
        await cgroup.create();
        return cgroup;
      } catch (error) {
        if (!isErrno(error, 'ENOENT') || attempt >= 3) throw error;
      }
    }
  }

  #brakeAnswer({ arithmetic, limitBytes }: Decision): StartAnswer['brake'] {
    if (arithmetic === null || limitBytes === null) return null;
    const rateBytes = drainRate(this.#fleet.supervisors);
    return { limitBytes, allInMs: rateBytes ? Math.ceil((arithmetic.shortfallBytes / rateBytes) * 1000) : null };
  }

  #answer(entry: Entry, order: StartOrder, { preparation, decision, error, supervisor }: Admission): StartAnswer {
    const { arithmetic } = decision;
    if (!arithmetic) throw error ?? new Error('no arithmetic');
    const { maxShortfall } = preparation.policy.value.forceStart;
    const over = supervisor?.launch.forced ?? forcedStart(decision, entry.supervisors.filter(isDraining));
    return {
      name: entry.name,
      admitted: error === null,
      id: supervisor?.launch.id ?? null,
      arithmetic,
      policy: preparation.policy.value.name,
      allowedShortfallBytes: order.force ? resolveShare(maxShortfall, preparation.promisedBytes) : 0,
      allowedShortfall: formatShare(maxShortfall),
      overIncarnations: over.overIncarnations,
      overBytes: over.heldDrainingBytes,
      memoryBytes: preparation.domain.memoryBytes,
      brake: this.#brakeAnswer(decision),
      refusal: error ? errorEnvelope(error).error : null,
    };
  }
}

/** null: it begins with all of its promise. */
function brakeOf({ arithmetic, limitBytes }: Decision, { brake }: Policy): BrakeOrder | null {
  if (arithmetic === null || limitBytes === null) return null;
  const capacityBytes = arithmetic.capacityBytes - arithmetic.queuedBytes;
  return { capacityBytes, limitBytes, margin: brake.margin, onStall: brake.onStall };
}

/** Throws the refusal. */
function admittedIn({ error, supervisor }: Admission): Supervisor {
  if (error || !supervisor) throw error ?? new Error('no decision');
  return supervisor;
}

/** Whoever waited for it is gone: nothing may begin any more. */
function refuseStopped(entry: Entry, order: StartOrder): void {
  if (entry.queued?.stopped) throw endOfWait(entry, entry.queued);
  if (order.wait && order.signal.aborted)
    throw new DomctlError('INTERRUPTED', `queued start of domain '${entry.name}' cancelled: its caller is gone`);
}

/** No domain of ours has it, but somebody has. */
async function refuseTaken(entry: Entry, { taken }: Preparation): Promise<DomctlError | null> {
  // Asked again: when it was first seen it may have been our own hypervisor, dying.
  for (const one of taken) if (await isTaken(one.claim)) return refusedByTaken(entry.name, one);
  return null;
}
