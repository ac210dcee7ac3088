/** The host of CONTRACT.md, section Outputs: 1007.0 GiB, web1 and web2 live, db1 draining. In bytes. */
import {
  type CapacityRule,
  drawUp,
  type HostMemory,
  type Ledger,
  type LedgerEntry,
  promisedBytes,
  type QueuedStart,
} from '../../../lib/admission/ledger.ts';
import { known } from '../../../lib/reading.ts';

export const GiB = 2 ** 30;
export const MiB = 2 ** 20;

export function gib(value: number): number {
  return Math.round(value * GiB);
}

/** policies/host.yaml: overhead. */
export const overhead = { fixedBytes: 192 * MiB, perVcpuBytes: 8 * MiB, memoryPercent: 0.2 };

export const promised = {
  web1: promisedBytes({ memoryBytes: 256 * GiB, vcpus: 24, inHugePages: false }, overhead),
  web2: promisedBytes({ memoryBytes: 128 * GiB, vcpus: 16, inHugePages: false }, overhead),
  db1: promisedBytes({ memoryBytes: 512 * GiB, vcpus: 64, inHugePages: false }, overhead),
};

const held = { web1: gib(201.4), web2: gib(96), db1: gib(300) };
const total = 1007 * GiB;

/** 7.2 GiB are used by what domctl does not run. */
export const host: HostMemory = {
  totalBytes: total,
  availableBytes: total - held.web1 - held.web2 - held.db1 - gib(7.2),
  hugePoolBytes: 0,
};

export const rule: CapacityRule = { overcommit: 1, reserveBytes: Math.floor(total * 0.02) };

export const web1: LedgerEntry = {
  incarnation: 38,
  domain: 'web1',
  phase: 'live',
  promisedBytes: promised.web1,
  held: known(held.web1),
};
export const web2: LedgerEntry = {
  incarnation: 39,
  domain: 'web2',
  phase: 'live',
  promisedBytes: promised.web2,
  held: known(held.web2),
};
export const db1: LedgerEntry = {
  incarnation: 41,
  domain: 'db1',
  phase: 'draining',
  promisedBytes: promised.db1,
  held: known(held.db1),
};

/** The ledger of known figures. */
export function ledgerOf(
  changes: {
    host?: Partial<HostMemory>;
    rule?: Partial<CapacityRule>;
    entries?: readonly LedgerEntry[];
    queued?: readonly QueuedStart[];
  } = {},
): Ledger {
  const ledger = drawUp(
    known({ ...host, ...changes.host }),
    { ...rule, ...changes.rule },
    changes.entries ?? [web1, web2, db1],
    { queued: changes.queued ?? [] },
  );
  if (!ledger.known) throw new Error(ledger.reason);
  return ledger.value;
}
