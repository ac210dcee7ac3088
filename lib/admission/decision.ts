/**
 * May this domain start now? A pure function of ledger, policy and request, with the arithmetic it stands on.
 *   shortfall  S = promised(live) + held(draining) + promised(new) - capacity
 *   structural   = S without the draining: what would still be missing when everything is back; must be <= 0
 * `start` wants S <= 0. `force-start` may go on with a shortfall its policy allows, but only under a brake; there is
 * none in this version, so a shortfall that a policy would allow is refused with NEEDS_BRAKE.
 */
import type { Reading } from '../reading.ts';
import type { Ledger } from './ledger.ts';

/** eager: touches its whole size at once (preallocation), so it must be available right now. */
export type AdmissionClass = 'lazy' | 'eager';

export interface StartRequest {
  readonly domain: string;
  readonly verb: 'start' | 'force-start';
  readonly promisedBytes: number;
  readonly class: AdmissionClass;
  /** Ids of the domain's own draining incarnations. */
  readonly ownDraining: readonly number[];
}

/** The policy's say in a force-start; sizes resolved to bytes. */
export interface ForceStartRule {
  readonly allow: boolean;
  readonly maxShortfallBytes: number;
  readonly maxPredecessors: number;
}

/** The five lines users see, in bytes. */
export interface Arithmetic {
  readonly promisedLiveBytes: number;
  readonly heldDrainingBytes: number;
  readonly promisedNewBytes: number;
  readonly capacityBytes: number;
  /** Negative: that much room to spare. */
  readonly shortfallBytes: number;
  /** The shortfall that stays when nothing drains any more. */
  readonly structuralBytes: number;
  readonly class: AdmissionClass;
}

export type Refusal =
  /** The domain's own predecessor is draining, and this is a plain start. */
  | { readonly code: 'INCARNATION_DRAINING' }
  | { readonly code: 'READING_UNKNOWN'; readonly reason: string }
  /** missing: what draining memory, once back, would give. */
  | { readonly code: 'MEMORY_DRAINING'; readonly missingBytes: number }
  /** missing: the structural shortfall, or what MemAvailable lacks for an eager domain. */
  | { readonly code: 'MEMORY_SHORT'; readonly missingBytes: number; readonly of: 'capacity' | 'available memory' }
  | {
      readonly code: 'POLICY_FORBIDS';
      readonly rule: 'forceStart.allow' | 'forceStart.maxShortfall' | 'forceStart.maxPredecessors';
    }
  | { readonly code: 'NEEDS_BRAKE' };

export interface Decision {
  /** null: it could not be worked out. */
  readonly arithmetic: Arithmetic | null;
  readonly refusal: Refusal | null;
}

/** The decision. `rule` is asked only for a force-start. */
export function decide(ledger: Reading<Ledger>, request: StartRequest, rule: ForceStartRule): Decision {
  if (!ledger.known) return { arithmetic: null, refusal: { code: 'READING_UNKNOWN', reason: ledger.reason } };
  const arithmetic = addUp(ledger.value, request);
  const refusal =
    request.verb === 'start' ? refuseStart(arithmetic, request) : refuseForceStart(arithmetic, request, rule);
  return { arithmetic, refusal: refusal ?? refuseForPages(ledger.value, arithmetic) };
}

function addUp(ledger: Ledger, request: StartRequest): Arithmetic {
  const structuralBytes = ledger.promisedLiveBytes + request.promisedBytes - ledger.capacityBytes;
  return {
    promisedLiveBytes: ledger.promisedLiveBytes,
    heldDrainingBytes: ledger.heldDrainingBytes,
    promisedNewBytes: request.promisedBytes,
    capacityBytes: ledger.capacityBytes,
    shortfallBytes: structuralBytes + ledger.heldDrainingBytes,
    structuralBytes,
    class: request.class,
  };
}

function refuseStart(arithmetic: Arithmetic, request: StartRequest): Refusal | null {
  const missingBytes = arithmetic.shortfallBytes;
  const structural = refuseStructural(arithmetic);
  if (structural) return structural;
  if (request.ownDraining.length > 0) return { code: 'INCARNATION_DRAINING' };
  return missingBytes > 0 ? { code: 'MEMORY_DRAINING', missingBytes } : null;
}

function refuseForceStart(arithmetic: Arithmetic, request: StartRequest, rule: ForceStartRule): Refusal | null {
  if (!rule.allow) return { code: 'POLICY_FORBIDS', rule: 'forceStart.allow' };
  if (request.ownDraining.length > rule.maxPredecessors)
    return { code: 'POLICY_FORBIDS', rule: 'forceStart.maxPredecessors' };
  const structural = refuseStructural(arithmetic);
  if (structural || arithmetic.shortfallBytes <= 0) return structural;
  if (arithmetic.shortfallBytes > rule.maxShortfallBytes)
    return { code: 'POLICY_FORBIDS', rule: 'forceStart.maxShortfall' };
  return { code: 'NEEDS_BRAKE' };
}

function refuseStructural(arithmetic: Arithmetic): Refusal | null {
  const missingBytes = arithmetic.structuralBytes;
  return missingBytes > 0 ? { code: 'MEMORY_SHORT', missingBytes, of: 'capacity' } : null;
}

/** What will be touched without a brake must be there now; overcommit cannot conjure pages. */
function refuseForPages(ledger: Ledger, arithmetic: Arithmetic): Refusal | null {
  if (arithmetic.class === 'lazy') return null;
  const missingBytes = arithmetic.promisedNewBytes - ledger.host.availableBytes;
  if (missingBytes <= 0) return null;
  if (missingBytes <= ledger.heldDrainingBytes) return { code: 'MEMORY_DRAINING', missingBytes };
  return { code: 'MEMORY_SHORT', missingBytes, of: 'available memory' };
}
