/**
 * May this domain start now? A pure function of ledger, request, policy and the moment, with the arithmetic it stands on.
 *   shortfall  S = promised(live) + queued before + held(draining) + promised(new) - capacity
 *   structural   = S without the draining: what would still be missing when everything is back; must be <= 0
 * `start` wants S <= 0. `force-start` may be short by what its policy allows: it begins with a limit, under a brake. Who
 * needs its whole size at once (eager) cannot be braked, and waits.
 */
import type { Reading } from '../reading.ts';
import { limitUnder, shortfallOfNew } from './bound.ts';
import type { Ledger } from './ledger.ts';

/** eager: touches its whole size at once (preallocated, locked, huge pages), so it must be available right now. */
export type AdmissionClass = 'lazy' | 'eager';

export interface StartRequest {
  readonly domain: string;
  readonly verb: 'start' | 'force-start';
  readonly promisedBytes: number;
  /** Of the promise, the hypervisor's own: the least that one may begin with. */
  readonly overheadBytes: number;
  readonly class: AdmissionClass;
  /** Ids of the domain's own draining incarnations. */
  readonly ownDraining: readonly number[];
}

/** The policy's say in a force-start; sizes resolved to bytes. */
export interface ForceStartRule {
  readonly allow: boolean;
  readonly maxShortfallBytes: number;
  readonly maxPredecessors: number;
  /** With a shortfall: how long all draining may still last; null: unlimited. */
  readonly maxDrainTimeMs: number | null;
  /** With a shortfall: PSI some avg10 of the host's memory, in percent. */
  readonly maxPressurePercent: number;
}

/** What is measured at the moment of the decision. */
export interface Moment {
  /** All draining together, bytes a second; null: not known (yet). */
  readonly drainRateBytes: number | null;
  /** PSI some avg10 of the host's memory, in percent. */
  readonly pressurePercent: Reading<number>;
}

/** The lines users see, in bytes. */
export interface Arithmetic {
  readonly promisedLiveBytes: number;
  /** Set aside for starts that were queued before. */
  readonly queuedBytes: number;
  readonly heldDrainingBytes: number;
  readonly promisedNewBytes: number;
  readonly capacityBytes: number;
  /** Negative: that much room to spare. */
  readonly shortfallBytes: number;
  /** The shortfall that stays when nothing drains any more. */
  readonly structuralBytes: number;
  readonly class: AdmissionClass;
}

export type PolicyRule =
  | 'forceStart.allow'
  | 'forceStart.maxShortfall'
  | 'forceStart.maxPredecessors'
  | 'forceStart.maxDrainTime'
  | 'forceStart.maxPressure';

export type Refusal =
  /** The domain's own predecessor is draining, and this is a plain start. */
  | { readonly code: 'INCARNATION_DRAINING' }
  | { readonly code: 'READING_UNKNOWN'; readonly reason: string }
  /** missing: what draining memory, once back, would give. */
  | { readonly code: 'MEMORY_DRAINING'; readonly missingBytes: number }
  /** missing: the structural shortfall, or what MemAvailable lacks for an eager domain. queue: there is room, but for them. */
  | {
      readonly code: 'MEMORY_SHORT';
      readonly missingBytes: number;
      readonly of: 'capacity' | 'available memory' | 'queue';
    }
  | { readonly code: 'POLICY_FORBIDS'; readonly rule: PolicyRule };

export interface Decision {
  /** null: it could not be worked out. */
  readonly arithmetic: Arithmetic | null;
  readonly refusal: Refusal | null;
  /** What it may begin with, under a brake; null: all of its promise, or it is refused. */
  readonly limitBytes: number | null;
}

/** The decision. `rule` and `moment` are asked only for a force-start. */
export function decide(ledger: Reading<Ledger>, request: StartRequest, rule: ForceStartRule, moment: Moment): Decision {
  if (!ledger.known) {
    return { arithmetic: null, refusal: { code: 'READING_UNKNOWN', reason: ledger.reason }, limitBytes: null };
  }
  const arithmetic = addUp(ledger.value, request);
  const refusal =
    (request.verb === 'start'
      ? refuseStart(arithmetic, request)
      : refuseForceStart(arithmetic, request, rule, moment)) ?? refuseForPages(ledger.value, arithmetic);
  const isBraked = refusal === null && arithmetic.shortfallBytes > 0;
  return { arithmetic, refusal, limitBytes: isBraked ? beginsWith(arithmetic) : null };
}

function addUp(ledger: Ledger, request: StartRequest): Arithmetic {
  return {
    promisedLiveBytes: ledger.promisedLiveBytes,
    queuedBytes: ledger.queuedBytes,
    heldDrainingBytes: ledger.heldDrainingBytes,
    promisedNewBytes: request.promisedBytes,
    capacityBytes: ledger.capacityBytes,
    ...shortfallOfNew(ledger, request.promisedBytes),
    class: request.class,
  };
}

function beginsWith({ promisedNewBytes, shortfallBytes }: Arithmetic): number {
  return limitUnder(promisedNewBytes, shortfallBytes);
}

function refuseStart(arithmetic: Arithmetic, request: StartRequest): Refusal | null {
  const structural = refuseStructural(arithmetic);
  if (structural) return structural;
  if (request.ownDraining.length > 0) return { code: 'INCARNATION_DRAINING' };
  return refuseShortfall(arithmetic);
}

function refuseForceStart(
  arithmetic: Arithmetic,
  request: StartRequest,
  rule: ForceStartRule,
  moment: Moment,
): Refusal | null {
  if (!rule.allow) return forbidden('forceStart.allow');
  if (request.ownDraining.length > rule.maxPredecessors) return forbidden('forceStart.maxPredecessors');
  const structural = refuseStructural(arithmetic);
  if (structural || arithmetic.shortfallBytes <= 0) return structural;
  if (arithmetic.shortfallBytes > rule.maxShortfallBytes) return forbidden('forceStart.maxShortfall');
  if (request.class === 'eager') return refuseShortfall(arithmetic);
  return refuseOverlap(arithmetic, rule, moment) ?? refuseBeginning(arithmetic, request);
}

/** What else the policy says of a start that would have to be braked. */
function refuseOverlap({ heldDrainingBytes }: Arithmetic, rule: ForceStartRule, moment: Moment): Refusal | null {
  if (rule.maxDrainTimeMs !== null && !(drainTimeMs(heldDrainingBytes, moment.drainRateBytes) <= rule.maxDrainTimeMs))
    return forbidden('forceStart.maxDrainTime');
  if (rule.maxPressurePercent >= 100) return null;
  const { pressurePercent } = moment;
  if (!pressurePercent.known)
    return { code: 'READING_UNKNOWN', reason: `memory pressure of the host: ${pressurePercent.reason}` };
  return pressurePercent.value > rule.maxPressurePercent ? forbidden('forceStart.maxPressure') : null;
}

/** How long the rest of the draining takes; without a rate nobody knows an end. */
function drainTimeMs(heldBytes: number, rateBytes: number | null): number {
  return rateBytes === null || rateBytes <= 0 ? Number.POSITIVE_INFINITY : (heldBytes / rateBytes) * 1000;
}

/** A hypervisor that has not even its own memory cannot come up. */
function refuseBeginning(arithmetic: Arithmetic, { overheadBytes }: StartRequest): Refusal | null {
  const missingBytes = overheadBytes + arithmetic.shortfallBytes - arithmetic.promisedNewBytes;
  return missingBytes > 0 ? { code: 'MEMORY_DRAINING', missingBytes } : null;
}

function refuseShortfall({ shortfallBytes }: Arithmetic): Refusal | null {
  return shortfallBytes > 0 ? { code: 'MEMORY_DRAINING', missingBytes: shortfallBytes } : null;
}

function refuseStructural({ structuralBytes, queuedBytes }: Arithmetic): Refusal | null {
  if (structuralBytes <= 0) return null;
  const isQueue = structuralBytes <= queuedBytes;
  return { code: 'MEMORY_SHORT', missingBytes: structuralBytes, of: isQueue ? 'queue' : 'capacity' };
}

function forbidden(rule: PolicyRule): Refusal {
  return { code: 'POLICY_FORBIDS', rule };
}

/** What will be touched without a brake must be there now; overcommit cannot conjure pages. */
function refuseForPages(ledger: Ledger, arithmetic: Arithmetic): Refusal | null {
  if (arithmetic.class === 'lazy') return null;
  const missingBytes = arithmetic.promisedNewBytes - ledger.host.availableBytes;
  if (missingBytes <= 0) return null;
  if (missingBytes <= ledger.heldDrainingBytes) return { code: 'MEMORY_DRAINING', missingBytes };
  return { code: 'MEMORY_SHORT', missingBytes, of: 'available memory' };
}
