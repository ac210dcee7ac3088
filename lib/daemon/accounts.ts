/** The ledger as of now: what each incarnation holds, and the host around it. Reads; decides nothing. */
import type { MemoryCharge } from '../../cgroups/memory.ts';
import type { Decision } from '../admission/decision.ts';
import { claimedBytes, drawUp, type Ledger, type LedgerEntry, type QueuedStart, sum } from '../admission/ledger.ts';
import type { HeldKinds } from '../client/contract.ts';
import type { ForcedStart } from '../domain/incarnation.ts';
import type { Progress } from '../drain/progress.ts';
import { readHostMemory } from '../host/inventory.ts';
import { combine, known, type Reading, unknown } from '../reading.ts';
import type { HostConfig } from '../policy/types.ts';
import { resolveReserve } from '../policy/values.ts';
import type { Fleet } from './fleet.ts';
import type { HostPromise, Neighbours } from './neighbours.ts';
import type { Supervisor } from './supervisor.ts';

/** Memory an incarnation is charged with, less what the kernel can drop; none once that is proven, while it is tidied up. */
export function readHeld(supervisor: Supervisor): Reading<number> {
  return bytesOf(readCharge(supervisor), heldBytes);
}

/** null: proven gone. */
function readCharge({ cgroup, memoryIsGone }: Supervisor): Reading<MemoryCharge | null> {
  return memoryIsGone ? known(null) : cgroup.memory();
}

function bytesOf(charge: Reading<MemoryCharge | null>, figure: (charge: MemoryCharge) => number): Reading<number> {
  return charge.known ? known(charge.value === null ? 0 : figure(charge.value)) : charge;
}

function heldBytes(charge: MemoryCharge): number {
  return charge.heldBytes;
}

/** The same of several for one answer: each is read once, so that the answer's figures are of one moment. */
export class Charges {
  readonly #read = new Map<Supervisor, Reading<MemoryCharge | null>>();

  held(supervisor: Supervisor): Reading<number> {
    return bytesOf(this.#of(supervisor), heldBytes);
  }

  /** By kind; null where it cannot be read, or is proven gone. */
  kinds(supervisor: Supervisor): HeldKinds | null {
    const charge = this.#of(supervisor);
    if (!charge.known || charge.value === null) return null;
    const { anonBytes, sharedBytes, hugetlbBySize, swapBytes, kernelBytes, reclaimableBytes } = charge.value;
    return { anonBytes, sharedBytes, hugetlb: hugetlbBySize, swapBytes, kernelBytes, reclaimableBytes };
  }

  #of(supervisor: Supervisor): Reading<MemoryCharge | null> {
    const charge = this.#read.get(supervisor) ?? readCharge(supervisor);
    this.#read.set(supervisor, charge);
    return charge;
  }
}

/** The same without huge pages, which are no part of the ledger: their pool is taken off the host's memory as a whole. */
function readHeldInLedger(supervisor: Supervisor): Reading<number> {
  return bytesOf(readCharge(supervisor), (charge) => charge.heldBytes - charge.hugetlbBytes);
}

/** What these hold together; one that cannot be read counts nothing, and has made the ledger unknown before. */
export function heldBy(supervisors: readonly Supervisor[]): number {
  return sum(supervisors.map(readHeld).map((held) => (held.known ? held.value : 0)));
}

/** The phase in which an incarnation counts: draining only when every exclusive resource is proven free. */
export function isDraining({ state }: Supervisor): boolean {
  return state.kind === 'draining';
}

/** How the memory comes back; no end is foretold while somebody is seen to keep it. */
export function outlook({ tracker, holder }: Supervisor): Pick<Progress, 'rateBytes' | 'etaMs'> {
  const { rateBytes = null, etaMs = null } = tracker.progress ?? {};
  return { rateBytes, etaMs: holder === null ? etaMs : null };
}

/** What a ledger is drawn up from, beside the host. */
export interface Books {
  readonly fleet: Fleet;
  readonly neighbours: Neighbours;
  readonly host: HostConfig;
}

/** The ledger for who comes after `queued`. */
export async function readLedger(
  { fleet, neighbours, host }: Books,
  queued: readonly QueuedStart[],
): Promise<Reading<Ledger>> {
  const [memory, others] = await Promise.all([readHostMemory(), neighbours.read()]);
  if (!memory.known) return memory;
  if (!others.known) return unknown(`promises of another daemon: ${others.reason}`);
  const reserveBytes = resolveReserve(host.capacity.reserve, memory.value.totalBytes);
  const elsewhereBytes = sum(others.value.map(({ untouchedBytes }) => untouchedBytes));
  const rule = { overcommit: host.capacity.overcommit, reserveBytes };
  return drawUp(memory, rule, fleet.supervisors.map(toEntry), { queued, elsewhereBytes });
}

/** For other daemons of this host: all that count as live. */
export function promisesOf(supervisors: readonly Supervisor[]): HostPromise[] {
  return supervisors
    .filter((supervisor) => !isDraining(supervisor))
    .map((one) => ({ cgroup: one.launch.cgroup, domain: one.launch.domain, promisedBytes: promiseOf(one) }));
}

function toEntry(supervisor: Supervisor): LedgerEntry {
  const { launch } = supervisor;
  return {
    incarnation: launch.id,
    domain: launch.domain,
    phase: isDraining(supervisor) ? 'draining' : 'live',
    promisedBytes: promiseOf(supervisor),
    held: readHeldInLedger(supervisor),
  };
}

/** Until what guests share is there, and the host's. */
function promiseOf({ launch, sharedBytes }: Supervisor): number {
  return launch.promisedBytes + sharedBytes;
}

/**
 * What a braked incarnation and all that drain may hold together: the capacity it was admitted under less what the live
 * before it may claim.
 */
export function boundWith({ launch, services }: Supervisor, capacityBytes: number): Reading<number> {
  const before = services.all().filter((other) => !isDraining(other) && other.launch.id < launch.id);
  const claimed = before.map((other) => {
    const held = readHeldInLedger(other);
    return held.known ? known(claimedBytes({ promisedBytes: promiseOf(other), heldBytes: held.value })) : held;
  });
  return combine(claimed, (values) => Math.max(1, capacityBytes - sum(values)));
}

/** What a force-start of this decision starts over, for its record. */
export function forcedStart({ arithmetic, limitBytes }: Decision, ownDraining: readonly Supervisor[]): ForcedStart {
  return {
    overIncarnations: ownDraining.map(({ launch }) => launch.id),
    heldDrainingBytes: heldBy(ownDraining),
    shortfallBytes: arithmetic?.shortfallBytes ?? 0,
    sum: arithmetic && {
      promisedLiveBytes: arithmetic.promisedLiveBytes,
      queuedBytes: arithmetic.queuedBytes,
      allDrainingBytes: arithmetic.heldDrainingBytes,
      promisedNewBytes: arithmetic.promisedNewBytes,
      capacityBytes: arithmetic.capacityBytes,
      limitBytes,
    },
  };
}
