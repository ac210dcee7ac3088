/** Laws of the ledger and of admission, for any host and any incarnations. */
import { fc, test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';
import {
  type AdmissionClass,
  decide as decideAt,
  type Decision,
  type ForceStartRule,
  type StartRequest,
} from '../../lib/admission/decision.ts';
import {
  type CapacityRule,
  drawUp,
  type HostMemory,
  type Ledger,
  type LedgerEntry,
} from '../../lib/admission/ledger.ts';
import { known, type Reading, unknown } from '../../lib/reading.ts';

const tib = 2 ** 40;
const bytes = fc.oneof(fc.nat({ max: 8 * tib }), fc.nat({ max: 64 }), fc.constant(0));

const hosts: fc.Arbitrary<HostMemory> = fc
  .record({
    totalBytes: fc.integer({ min: 1, max: 16 * tib }),
    availableShare: fc.double({ min: 0, max: 1, noNaN: true }),
    poolShare: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ totalBytes, availableShare, poolShare }) => {
    const hugePoolBytes = Math.floor(totalBytes * poolShare * 0.9);
    return { totalBytes, hugePoolBytes, availableBytes: Math.floor((totalBytes - hugePoolBytes) * availableShare) };
  });
const rules: fc.Arbitrary<CapacityRule> = fc.record({
  overcommit: fc.double({ min: 0.1, max: 4, noNaN: true }),
  reserveBytes: bytes,
});
const entries: fc.Arbitrary<LedgerEntry> = fc.record({
  incarnation: fc.integer({ min: 1, max: 1000 }),
  domain: fc.constantFrom('web1', 'db1'),
  phase: fc.constantFrom('live', 'draining'),
  promisedBytes: bytes,
  held: bytes.map(known),
});
const unreadable: fc.Arbitrary<LedgerEntry> = entries.map((entry) => ({ ...entry, held: unknown('EIO') }));
const requests: fc.Arbitrary<StartRequest> = fc.record({
  domain: fc.constant('new'),
  verb: fc.constantFrom('start', 'force-start'),
  promisedBytes: bytes,
  overheadBytes: fc.constant(0),
  class: fc.constantFrom<AdmissionClass>('lazy', 'eager'),
  ownDraining: fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 3 }),
});
const policies: fc.Arbitrary<ForceStartRule> = fc.record({
  allow: fc.boolean(),
  maxShortfallBytes: bytes,
  maxPredecessors: fc.nat({ max: 3 }),
  maxDrainTimeMs: fc.constant(null),
  maxPressurePercent: fc.constant(100),
});
const fleets = fc.array(entries, { maxLength: 6, size: 'max' });

const elsewheres = fc.integer({ min: 0, max: 2 ** 42 });

function ledgerOf(host: HostMemory, rule: CapacityRule, rows: readonly LedgerEntry[], elsewhereBytes = 0): Ledger {
  const ledger = drawUp(known(host), rule, rows, { elsewhereBytes });
  if (!ledger.known) throw new Error(ledger.reason);
  return ledger.value;
}

/** Nothing is known of the moment: these policies do not ask. */
function decide(ledger: Reading<Ledger>, request: StartRequest, rule: ForceStartRule): Decision {
  return decideAt(ledger, request, rule, { drainRateBytes: null, pressurePercent: unknown('nobody asked') });
}

function heldOf(rows: readonly LedgerEntry[], phase: LedgerEntry['phase']): number {
  return rows
    .filter((row) => row.phase === phase)
    .reduce((sum, { held }) => sum + (held.known ? held.value : Number.NaN), 0);
}

describe('the ledger', () => {
  test.prop([hosts, rules, fleets, elsewheres])('has parts that sum to the whole', (host, rule, rows, elsewhere) => {
    const ledger = ledgerOf(host, rule, rows, elsewhere);
    expect(ledger.promisedLiveBytes + ledger.heldDrainingBytes + ledger.freeToPromiseBytes).toBe(ledger.capacityBytes);
    expect(ledger.elsewhereBytes).toBe(elsewhere);
    expect(ledger.capacityBytes + rule.reserveBytes + ledger.foreignBytes + elsewhere).toBe(
      Math.floor((host.totalBytes - host.hugePoolBytes) * rule.overcommit),
    );
    expect([ledger.heldLiveBytes, ledger.heldDrainingBytes]).toEqual([heldOf(rows, 'live'), heldOf(rows, 'draining')]);
  });

  test.prop([hosts, rules, fleets])('counts all used memory once: as held, or as foreign', (host, rule, rows) => {
    const ledger = ledgerOf(host, rule, rows);
    const used = host.totalBytes - host.availableBytes - host.hugePoolBytes;
    const accounted = ledger.heldLiveBytes + ledger.heldDrainingBytes + ledger.foreignBytes;
    expect(accounted).toBe(Math.max(used, ledger.heldLiveBytes + ledger.heldDrainingBytes));
  });

  test.prop([hosts, rules, fleets])(
    'has no negative or broken part but capacity and what is free to promise',
    (host, rule, rows) => {
      const { foreignBytes, promisedLiveBytes, heldLiveBytes, heldDrainingBytes, capacityBytes, freeToPromiseBytes } =
        ledgerOf(host, rule, rows);
      for (const part of [foreignBytes, promisedLiveBytes, heldLiveBytes, heldDrainingBytes])
        expect(part).toBeGreaterThanOrEqual(0);
      expect(promisedLiveBytes).toBeGreaterThanOrEqual(heldLiveBytes);
      for (const part of [
        foreignBytes,
        promisedLiveBytes,
        heldLiveBytes,
        heldDrainingBytes,
        capacityBytes,
        freeToPromiseBytes,
      ])
        expect(Number.isSafeInteger(part)).toBe(true);
    },
  );

  test.prop([hosts, rules, fleets, unreadable, fc.nat()])(
    'is unknown when any part is, and names it',
    (host, rule, rows, broken, at) => {
      const place = at % (rows.length + 1);
      const ledger = drawUp(known(host), rule, [...rows.slice(0, place), broken, ...rows.slice(place)]);
      expect(ledger).toEqual(unknown(`memory held by incarnation ${broken.incarnation} of '${broken.domain}': EIO`));
      expect(drawUp(unknown('no MemAvailable'), rule, rows)).toEqual(unknown('no MemAvailable'));
    },
  );
});

describe('the decision', () => {
  const cases = [hosts, rules, fleets, requests, policies] as const;

  test.prop([requests, policies])('admits nothing on an unknown ledger, and shows no arithmetic', (request, policy) => {
    const decision = decide(unknown('EIO'), request, policy);
    expect(decision.arithmetic).toBeNull();
    expect(['READING_UNKNOWN', 'INCARNATION_DRAINING']).toContain(decision.refusal?.code);
  });

  test.prop([...cases], { numRuns: 500 })(
    'lets begin with no more than there is, and admits nothing that will not fit in the end',
    (host, rule, rows, request, policy) => {
      const ledger = ledgerOf(host, rule, rows);
      const { arithmetic, refusal, limitBytes } = decide(known(ledger), request, policy);
      if (refusal || !arithmetic) return;
      expect(arithmetic.structuralBytes).toBeLessThanOrEqual(0);
      expect(limitBytes ?? request.promisedBytes).toBe(
        Math.max(0, Math.min(request.promisedBytes, ledger.freeToPromiseBytes)),
      );
    },
  );

  test.prop([...cases], { numRuns: 500 })(
    'admits start exactly when nothing of the domain drains and all of it fits',
    (host, rule, rows, request, policy) => {
      const { arithmetic, refusal } = decide(known(ledgerOf(host, rule, rows)), { ...request, verb: 'start' }, policy);
      const there = request.class === 'lazy' || request.promisedBytes <= host.availableBytes;
      expect(refusal === null).toBe(
        request.ownDraining.length === 0 && (arithmetic?.shortfallBytes ?? Number.NaN) <= 0 && there,
      );
    },
  );

  test.prop([...cases], { numRuns: 500 })(
    'admits force-start exactly when the policy allows it, all of it fits in the end, and it can be braked until then',
    (host, rule, rows, request, policy) => {
      const { arithmetic, refusal } = decide(
        known(ledgerOf(host, rule, rows)),
        { ...request, verb: 'force-start' },
        policy,
      );
      const there = request.class === 'lazy' || request.promisedBytes <= host.availableBytes;
      const allowed = policy.allow && request.ownDraining.length <= policy.maxPredecessors;
      const { shortfallBytes = Number.NaN, structuralBytes = Number.NaN } = arithmetic ?? {};
      const isBraked =
        request.class === 'lazy' &&
        structuralBytes <= 0 &&
        shortfallBytes <= Math.min(policy.maxShortfallBytes, request.promisedBytes);
      expect(refusal === null).toBe(allowed && (shortfallBytes <= 0 || isBraked) && there);
    },
  );

  /** `drained`: all of it has come back, to what is available. */
  test.prop([...cases], { numRuns: 500 })(
    'turns every refusal for draining into an admission once it has drained',
    (host, rule, rows, request, policy) => {
      const code = decide(known(ledgerOf(host, rule, rows)), request, policy).refusal?.code;
      fc.pre(code === 'MEMORY_DRAINING' || code === 'INCARNATION_DRAINING');
      const live = rows.filter(({ phase }) => phase === 'live');
      const back = heldOf(rows, 'draining');
      const pages = host.availableBytes + back;
      const used = host.totalBytes - host.availableBytes - host.hugePoolBytes;
      // Readings that claim more than is used say nothing of what comes back.
      fc.pre(used >= back + heldOf(rows, 'live') && (request.class === 'lazy' || request.promisedBytes <= pages));
      const drained = ledgerOf({ ...host, availableBytes: pages }, rule, live);
      expect(decide(known(drained), { ...request, ownDraining: [] }, policy).refusal).toBeNull();
    },
  );

  test.prop([...cases], { numRuns: 500 })('shows the sum it stands on', (host, rule, rows, request, policy) => {
    const ledger = ledgerOf(host, rule, rows);
    const { arithmetic } = decide(known(ledger), request, policy);
    expect(arithmetic).toMatchObject({
      promisedNewBytes: request.promisedBytes,
      shortfallBytes: request.promisedBytes - ledger.freeToPromiseBytes,
      structuralBytes: request.promisedBytes - ledger.freeToPromiseBytes - ledger.heldDrainingBytes,
    });
  });

  /** More draining bytes: out of what was available, or out of what was thought to be other programs'. */
  test.prop([...cases, fc.nat({ max: tib }), fc.boolean()], { numRuns: 500 })(
    'never admits more because more drains',
    (host, rule, rows, request, policy, more, fromAvailable) => {
      const extra: LedgerEntry = {
        incarnation: 2000,
        domain: 'other',
        phase: 'draining',
        promisedBytes: 0,
        held: known(fromAvailable ? Math.min(more, host.availableBytes) : more),
      };
      const after: HostMemory = fromAvailable
        ? { ...host, availableBytes: host.availableBytes - Math.min(more, host.availableBytes) }
        : host;
      const admits = (ledger: Reading<Ledger>): boolean => decide(ledger, request, policy).refusal === null;
      if (admits(drawUp(known(after), rule, [...rows, extra])))
        expect(admits(drawUp(known(host), rule, rows))).toBe(true);
    },
  );
});
