/**
 * The host's memory as domctl accounts for it: pure arithmetic in bytes over readings that may be unknown.
 *   capacity  = (MemTotal - huge page pools) x overcommit - reserve - foreign - elsewhere
 *   foreign   = what programs use that domctl does not run = MemTotal - MemAvailable - pools - sum(held)
 *   elsewhere = what other daemons of this host have promised, and is not touched yet
 * Unknown in, unknown out: a decision that lacks a figure is refused, not guessed.
 */
import { known, type Reading } from '../reading.ts';

/** What the kernel says of the host; bytes. */
export interface HostMemory {
  readonly totalBytes: number;
  readonly availableBytes: number;
  /** All huge page pools together, used or not. */
  readonly hugePoolBytes: number;
}

/** The operator's settings that the arithmetic needs. */
export interface CapacityRule {
  readonly overcommit: number;
  readonly reserveBytes: number;
}

/** live: a hypervisor may still run. draining: only memory is left. */
export interface LedgerEntry {
  readonly incarnation: number;
  readonly domain: string;
  readonly phase: 'live' | 'draining';
  readonly promisedBytes: number;
  readonly held: Reading<number>;
}

/** A start that waits for its turn: its promise is set aside, for whoever came later must not take it. */
export interface QueuedStart {
  readonly domain: string;
  readonly promisedBytes: number;
}

/** An entry whose held bytes are known. */
export interface LedgerRow extends Omit<LedgerEntry, 'held'> {
  readonly heldBytes: number;
}

export interface Ledger {
  readonly host: HostMemory;
  readonly rule: CapacityRule;
  readonly rows: readonly LedgerRow[];
  readonly foreignBytes: number;
  readonly elsewhereBytes: number;
  readonly capacityBytes: number;
  /** Sum over the live of max(promised, held): what they may claim at any time. */
  readonly promisedLiveBytes: number;
  readonly heldLiveBytes: number;
  readonly heldDrainingBytes: number;
  /** Set aside for starts that were queued before. */
  readonly queued: readonly QueuedStart[];
  readonly queuedBytes: number;
  /** capacity - promised live - held draining - queued; negative when over-promised. */
  readonly freeToPromiseBytes: number;
}

/** What comes before whoever asks. */
export interface SetAside {
  readonly queued: readonly QueuedStart[];
  /** Promised by other daemons of this host beyond what their domains hold. */
  readonly elsewhereBytes: number;
}

/** The ledger, or why it cannot be drawn up. */
export function drawUp(
  host: Reading<HostMemory>,
  rule: CapacityRule,
  entries: readonly LedgerEntry[],
  setAside: Partial<SetAside> = {},
): Reading<Ledger> {
  if (!host.known) return host;
  const rows = readRows(entries);
  if (!rows.known) return rows;
  const { queued = [], elsewhereBytes = 0 } = setAside;
  return known(settle(host.value, rule, rows.value, { queued, elsewhereBytes }));
}

function settle(
  host: HostMemory,
  rule: CapacityRule,
  rows: readonly LedgerRow[],
  { queued, elsewhereBytes }: SetAside,
): Ledger {
  const { heldLiveBytes, heldDrainingBytes, promisedLiveBytes } = addUp(rows);
  const usedBytes = host.totalBytes - host.availableBytes - host.hugePoolBytes;
  const foreignBytes = Math.max(0, usedBytes - heldLiveBytes - heldDrainingBytes);
  const promisableBytes = Math.floor((host.totalBytes - host.hugePoolBytes) * rule.overcommit);
  const capacityBytes = promisableBytes - rule.reserveBytes - foreignBytes - elsewhereBytes;
  const queuedBytes = sum(queued.map(({ promisedBytes }) => promisedBytes));
  const freeToPromiseBytes = capacityBytes - promisedLiveBytes - heldDrainingBytes - queuedBytes;
  return {
    host,
    rule,
    rows,
    foreignBytes,
    elsewhereBytes,
    capacityBytes,
    promisedLiveBytes,
    heldLiveBytes,
    heldDrainingBytes,
    queued,
    queuedBytes,
    freeToPromiseBytes,
  };
}

/** In one pass: a ledger is drawn up for each start, and again by every braked machine, on hosts of a thousand domains. */
function addUp(rows: readonly LedgerRow[]): Pick<Ledger, 'heldLiveBytes' | 'heldDrainingBytes' | 'promisedLiveBytes'> {
  let [heldLiveBytes, heldDrainingBytes, promisedLiveBytes] = [0, 0, 0];
  for (const row of rows) {
    if (row.phase === 'draining') heldDrainingBytes += row.heldBytes;
    else {
      heldLiveBytes += row.heldBytes;
      promisedLiveBytes += claimedBytes(row);
    }
  }
  return { heldLiveBytes, heldDrainingBytes, promisedLiveBytes };
}

/** The entries with what they hold; the first unknown makes all of it unknown. */
function readRows(entries: readonly LedgerEntry[]): Reading<readonly LedgerRow[]> {
  const rows: LedgerRow[] = [];
  for (const entry of entries) {
    const held = heldOf(entry);
    if (!held.known) return held;
    const { incarnation, domain, phase, promisedBytes } = entry;
    rows.push({ incarnation, domain, phase, promisedBytes, heldBytes: held.value });
  }
  return known(rows);
}

/** An entry's held bytes, the unknown named by domain so that a refusal can say which. */
function heldOf(entry: LedgerEntry): Reading<number> {
  if (entry.held.known) return entry.held;
  return {
    known: false,
    reason: `memory held by incarnation ${entry.incarnation} of '${entry.domain}': ${entry.held.reason}`,
  };
}

/**
 * What a domain may grow to in 4 KiB memory: its memory plus the hypervisor's own, by host.yaml's formula. Memory in huge
 * pages comes out of their pool, which is no part of capacity: then it is the hypervisor's own alone.
 */
export function promisedBytes(
  domain: { readonly memoryBytes: number; readonly vcpus: number; readonly inHugePages: boolean },
  overhead: { readonly fixedBytes: number; readonly perVcpuBytes: number; readonly memoryPercent: number },
): number {
  const share = Math.ceil((domain.memoryBytes * overhead.memoryPercent) / 100);
  const own = overhead.fixedBytes + overhead.perVcpuBytes * domain.vcpus + share;
  return domain.inHugePages ? own : domain.memoryBytes + own;
}

/** What a live one may claim at any time: its promise, or what it holds where the promise was too small. */
export function claimedBytes({ promisedBytes, heldBytes }: Pick<LedgerRow, 'promisedBytes' | 'heldBytes'>): number {
  return Math.max(promisedBytes, heldBytes);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
