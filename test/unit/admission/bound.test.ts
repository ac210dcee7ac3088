/** The bound on the host of the contract: db1 again, over its 300 GiB that drain. */
import { describe, expect, test } from 'vitest';
import {
  brakeMargin,
  type Limit,
  limitOf,
  limitUnder,
  shortfall,
  shortfallOfNew,
} from '../../../lib/admission/bound.ts';
import type { LedgerEntry } from '../../../lib/admission/ledger.ts';
import { formatBytes } from '../../../lib/format.ts';
import { known } from '../../../lib/reading.ts';
import { db1, GiB, gib, host, ledgerOf, MiB, promised, web1, web2 } from './contract.ts';

const again: LedgerEntry = {
  incarnation: 42,
  domain: 'db1',
  phase: 'live',
  promisedBytes: promised.db1,
  held: known(0),
};
const db2: LedgerEntry = { ...again, domain: 'db2' };

/** With so much of it drained, and as much held by `again`. */
function later(drained: number, grown: number, started: LedgerEntry = again) {
  const entries = [
    web1,
    web2,
    { ...db1, held: known(gib(300) - drained) },
    { ...started, held: known(grown) },
  ] as const;
  return ledgerOf({ entries, host: { availableBytes: host.availableBytes + drained - grown } });
}

describe('the shortfall', () => {
  test('of the contract is 219.5 GiB, before and after the admission', () => {
    expect(formatBytes(shortfallOfNew(ledgerOf(), promised.db1).shortfallBytes)).toBe('219.5 GiB');
    expect(formatBytes(shortfall(later(0, 0), 42))).toBe('219.5 GiB');
  });

  test('does not count what was admitted later', () => {
    const last: LedgerEntry = { ...db2, incarnation: 43, domain: 'late' };
    const entries = [web1, web2, db1, again];
    expect(shortfall(ledgerOf({ entries: [...entries, last] }), 42)).toBe(shortfall(ledgerOf({ entries }), 42));
    expect(shortfall(ledgerOf({ entries: [...entries, last] }), 43)).toBe(
      shortfall(ledgerOf({ entries }), 42) + promised.db1,
    );
  });

  test('of what does not live is no question', () => {
    expect(() => shortfall(ledgerOf(), 41)).toThrow('no live incarnation 41');
  });
});

describe('the limit', () => {
  test('begins with 294.2 GiB, on the cgroup that the predecessor shares', () => {
    const limit = limitOf(later(0, 0), 42, null);
    expect(formatBytes(limit.limitBytes)).toBe('294.2 GiB');
    expect(formatBytes(limit.fenceBytes)).toBe('594.2 GiB');
    expect(limit).toMatchObject({ place: 'domain', lifted: false });
  });

  test('grows by what drains; both together stay where they were', () => {
    const first = limitOf(later(0, 0), 42, null);
    const next = limitOf(later(100 * GiB, 200 * GiB), 42, first);
    expect(next.limitBytes).toBe(first.limitBytes + 100 * GiB);
    expect(next.fenceBytes).toBe(first.fenceBytes);
  });

  test("over another domain's memory is the incarnation's own", () => {
    const first = limitOf(later(0, 0, db2), 42, null);
    expect(first).toMatchObject({ place: 'incarnation', fenceBytes: first.limitBytes });
    const next = limitOf(later(100 * GiB, 200 * GiB, db2), 42, first);
    expect(next.fenceBytes).toBe(first.fenceBytes + 100 * GiB);
  });

  test('moves from the domain to the incarnation when its predecessor is released before others', () => {
    const other: LedgerEntry = { ...db1, incarnation: 40, domain: 'web3' };
    const entries = [web1, web2, other, again];
    const first = limitOf(ledgerOf({ entries: [...entries, db1] }), 42, null);
    const next = limitOf(ledgerOf({ entries }), 42, first);
    expect(next).toMatchObject({ place: 'incarnation', fenceBytes: next.limitBytes });
  });

  test('is lifted once nothing is short, and for good', () => {
    const lifted = limitOf(later(gib(219.6), 0), 42, limitOf(later(0, 0), 42, null));
    expect(lifted).toMatchObject({ lifted: true, limitBytes: promised.db1 });
    expect(limitOf(later(0, 0), 42, lifted)).toMatchObject({ lifted: true, limitBytes: promised.db1 });
  });

  test('does not follow other programs that come and go', () => {
    const first = limitOf(later(0, 0), 42, null);
    const busy = ledgerOf({
      entries: [web1, web2, db1, again],
      host: { availableBytes: host.availableBytes - 20 * GiB },
    });
    expect(limitOf(busy, 42, first)).toEqual(first);
    expect(limitOf(busy, 42, { capacityBytes: first.capacityBytes })).toEqual(first);
  });

  test('never falls, though one that came later dies and drains', () => {
    const first: Limit = limitOf(later(0, 0), 42, null);
    const dead: LedgerEntry = { ...db1, incarnation: 43, domain: 'late', held: known(GiB) };
    const next = limitOf(ledgerOf({ entries: [web1, web2, db1, again, dead] }), 42, first);
    expect(next.shortfallBytes).toBeGreaterThan(first.shortfallBytes);
    expect(next.limitBytes).toBe(first.limitBytes);
  });

  test('is never less than nothing', () => {
    expect([limitUnder(10, -5), limitUnder(10, 4), limitUnder(10, 11)]).toEqual([10, 6, 0]);
  });
});

describe('the margin of the brake', () => {
  test('is what the policy says, or grows with the bound and the vCPUs', () => {
    expect(brakeMargin(7, 100 * GiB, 4)).toBe(7);
    expect(brakeMargin('auto', 700 * MiB, 2)).toBe(40 * MiB);
    expect(brakeMargin('auto', 100 * GiB, 16)).toBe(2 * GiB + 64 * MiB);
  });
});
