/**
 * How far an incarnation may grow while others still give memory back. Pure; all in bytes. Admissions are ordered by the
 * number of the incarnation. For incarnation n, with the capacity it was admitted under:
 *   S(n) = sum of max(promised, held) of the live before n + sum of held of the draining + promised(n) - capacity
 *   limit(n) = promised(n) - max(0, S(n)), never lowered; reached the promise, the brake is lifted for good
 * Capacity is that of the admission: other programs come and go, readings are not of one moment, and a bound that followed
 * them would be raised by noise, or never lifted. With it, limits and all that others hold or may claim stay within capacity.
 */
import { claimedBytes, type Ledger, type LedgerRow, sum } from './ledger.ts';

/** S(n) of a live incarnation in the ledger; negative: that much to spare. Throws RangeError when none has that number. */
export function shortfall(ledger: Ledger, incarnation: number, capacityBytes: number = ledger.capacityBytes): number {
  const row = liveRow(ledger, incarnation);
  const before = ledger.rows.filter((other) => other.phase === 'live' && other.incarnation < incarnation);
  return sum(before.map(claimedBytes)) + ledger.heldDrainingBytes + row.promisedBytes - capacityBytes;
}

/** S of one that is to be admitted now, after all that live or are queued; `structuralBytes`: what would stay once nothing drains. */
export function shortfallOfNew(
  ledger: Ledger,
  promisedBytes: number,
): { readonly shortfallBytes: number; readonly structuralBytes: number } {
  const structuralBytes = ledger.promisedLiveBytes + ledger.queuedBytes + promisedBytes - ledger.capacityBytes;
  return { shortfallBytes: structuralBytes + ledger.heldDrainingBytes, structuralBytes };
}

/** promised - max(0, S), at least nothing. */
export function limitUnder(promisedBytes: number, shortfallBytes: number): number {
  return Math.max(0, promisedBytes - Math.max(0, shortfallBytes));
}

/** The bound of one incarnation; what the last one said goes into the next. */
export interface Limit {
  /** The capacity it was admitted under; to be journaled, for a daemon that comes after. */
  readonly capacityBytes: number;
  /** S now; negative: that much to spare. */
  readonly shortfallBytes: number;
  /** What the incarnation itself may hold now: 0 to its promise. Never falls. */
  readonly limitBytes: number;
  /** Whose cgroup the fence is on: the domain's, while draining predecessors of its own share it, else the incarnation's. */
  readonly place: 'domain' | 'incarnation';
  /** What that cgroup may be charged with: the limit, and in the domain's what the predecessors hold. Falls only with `place`. */
  readonly fenceBytes: number;
  /** The limit has reached the promise: no brake any more, whatever comes. */
  readonly lifted: boolean;
}

/**
 * The limit of a live incarnation now. `before`: the last answer, or of a journaled admission its capacity alone; null: it is
 * admitted under this ledger. Throws RangeError when the ledger has no such live incarnation.
 */
export function limitOf(
  ledger: Ledger,
  incarnation: number,
  before: (Pick<Limit, 'capacityBytes'> & Partial<Limit>) | null,
): Limit {
  const row = liveRow(ledger, incarnation);
  const last = { ...unlimited, capacityBytes: ledger.capacityBytes, ...before };
  const shortfallBytes = shortfall(ledger, incarnation, last.capacityBytes);
  const limitBytes = Math.max(last.limitBytes, limitUnder(row.promisedBytes, shortfallBytes));
  const predecessors = ownDraining(ledger, row.domain);
  const place = predecessors.length > 0 ? 'domain' : 'incarnation';
  const fenceBytes = limitBytes + sum(predecessors.map(({ heldBytes }) => heldBytes));
  return {
    capacityBytes: last.capacityBytes,
    shortfallBytes,
    limitBytes,
    place,
    fenceBytes: last.place === place ? Math.max(last.fenceBytes, fenceBytes) : fenceBytes,
    lifted: last.lifted || limitBytes >= row.promisedBytes,
  };
}

/** What nobody has said yet. */
const unlimited = { limitBytes: 0, fenceBytes: 0, place: null, lifted: false };

const leastMarginBytes = 40 * 2 ** 20;
const marginShare = 0.02;
const marginPerVcpuBytes = 4 * 2 ** 20;

/**
 * How far below its fence a braked domain is slowed down (policy `brake.margin`). `auto` = max(40 MiB, 2 % of the fence +
 * 4 MiB for each vCPU): the share and the vCPUs' part come from the kernel's law of throttling, measured at 0.7 GiB only.
 */
export function brakeMargin(margin: 'auto' | number, fenceBytes: number, vcpus: number): number {
  if (margin !== 'auto') return margin;
  return Math.max(leastMarginBytes, Math.ceil(fenceBytes * marginShare) + marginPerVcpuBytes * vcpus);
}

function ownDraining(ledger: Ledger, domain: string): readonly LedgerRow[] {
  return ledger.rows.filter((row) => row.phase === 'draining' && row.domain === domain);
}

function liveRow(ledger: Ledger, incarnation: number): LedgerRow {
  const row = ledger.rows.find((other) => other.phase === 'live' && other.incarnation === incarnation);
  if (!row) throw new RangeError(`the ledger has no live incarnation ${incarnation}`);
  return row;
}
