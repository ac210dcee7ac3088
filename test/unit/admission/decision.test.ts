/** Who may start on the host of the contract, and why not. */
import { describe, expect, test } from 'vitest';
import {
  decide as decideAt,
  type Decision,
  type ForceStartRule,
  type Moment,
  type Refusal,
  type StartRequest,
} from '../../../lib/admission/decision.ts';
import type { Ledger } from '../../../lib/admission/ledger.ts';
import { formatBytes } from '../../../lib/format.ts';
import { known, type Reading, unknown } from '../../../lib/reading.ts';
import { db1, GiB, gib, ledgerOf, promised, web1, web2 } from './contract.ts';

/** The shipped policies' say, for a promise of db1's size. */
const policies = {
  strict: { allow: false, maxShortfallBytes: 0, maxPredecessors: 0, maxDrainTimeMs: 0, maxPressurePercent: 0 },
  balanced: {
    allow: true,
    maxShortfallBytes: Math.floor(promised.db1 * 0.25),
    maxPredecessors: 1,
    maxDrainTimeMs: 60_000,
    maxPressurePercent: 10,
  },
  'restart-first': {
    allow: true,
    maxShortfallBytes: Math.floor(promised.db1 * 0.75),
    maxPredecessors: 2,
    maxDrainTimeMs: null,
    maxPressurePercent: 40,
  },
} as const satisfies Record<string, ForceStartRule>;

const restart: StartRequest = {
  domain: 'db1',
  verb: 'start',
  promisedBytes: promised.db1,
  overheadBytes: promised.db1 - 512 * GiB,
  class: 'lazy',
  ownDraining: [41],
};
const forced: StartRequest = { ...restart, verb: 'force-start' };
const other: StartRequest = { ...restart, domain: 'db2', ownDraining: [] };

/** As the contract has it: 24.2 GiB/s, and nobody stands still. */
const calm: Moment = { drainRateBytes: gib(24.2), pressurePercent: known(0) };

function decide(ledger: Reading<Ledger>, request: StartRequest, rule: ForceStartRule): Decision {
  return decideAt(ledger, request, rule, calm);
}

function refusalOf(
  request: StartRequest,
  rule: ForceStartRule = policies.balanced,
  ledger: Ledger = ledgerOf(),
  moment: Moment = calm,
): Refusal | null {
  return decideAt(known(ledger), request, rule, moment).refusal;
}

describe('the arithmetic of the contract', () => {
  test('adds up to the five lines users see', () => {
    const { arithmetic } = decide(known(ledgerOf()), forced, policies['restart-first']);
    if (!arithmetic) throw new Error('none');
    expect({
      live: formatBytes(arithmetic.promisedLiveBytes),
      draining: formatBytes(arithmetic.heldDrainingBytes),
      new: formatBytes(arithmetic.promisedNewBytes),
      capacity: formatBytes(arithmetic.capacityBytes),
      shortfall: formatBytes(arithmetic.shortfallBytes),
    }).toEqual({
      live: '385.5 GiB',
      draining: '300.0 GiB',
      new: '513.7 GiB',
      capacity: '979.7 GiB',
      shortfall: '219.5 GiB',
    });
    expect(arithmetic.structuralBytes).toBe(arithmetic.shortfallBytes - 300 * GiB);
    expect(formatBytes(promised.db1 - arithmetic.shortfallBytes)).toBe('294.2 GiB');
  });

  test('allows the shortfalls that the contract names', () => {
    expect(formatBytes(policies.balanced.maxShortfallBytes)).toBe('128.4 GiB');
    expect(formatBytes(policies['restart-first'].maxShortfallBytes)).toBe('385.3 GiB');
  });
});

describe('start', () => {
  test('over its own draining predecessor is refused, however much room there is', () => {
    const roomy = ledgerOf({ entries: [{ ...db1, held: known(gib(0.1)) }] });
    expect(refusalOf({ ...restart, promisedBytes: GiB }, policies.balanced, roomy)).toEqual({
      code: 'INCARNATION_DRAINING',
    });
  });

  test("waits for other domains' draining bytes only where they are needed", () => {
    expect(refusalOf(other)).toEqual({
      code: 'MEMORY_DRAINING',
      missingBytes: promised.db1 - ledgerOf().freeToPromiseBytes,
    });
    expect(refusalOf({ ...other, promisedBytes: gib(294) })).toBeNull();
  });

  test('is admitted to the last byte, and refused from the next one on', () => {
    const ledger = ledgerOf();
    expect(refusalOf({ ...other, promisedBytes: ledger.freeToPromiseBytes })).toBeNull();
    expect(refusalOf({ ...other, promisedBytes: ledger.freeToPromiseBytes + 1 })).toEqual({
      code: 'MEMORY_DRAINING',
      missingBytes: 1,
    });
  });

  test('of what would not fit when all is drained is refused with what is missing', () => {
    const ledger = ledgerOf();
    const tooMuch = ledger.freeToPromiseBytes + ledger.heldDrainingBytes + 5;
    expect(refusalOf({ ...other, promisedBytes: tooMuch })).toEqual({
      code: 'MEMORY_SHORT',
      missingBytes: 5,
      of: 'capacity',
    });
  });

  test('does not ask the policy of force-start', () => {
    expect(refusalOf({ ...other, promisedBytes: GiB }, policies.strict)).toBeNull();
  });
});

describe('force-start', () => {
  test('is forbidden by strict, with or without room', () => {
    expect(refusalOf(forced, policies.strict)).toEqual({ code: 'POLICY_FORBIDS', rule: 'forceStart.allow' });
    expect(refusalOf({ ...forced, promisedBytes: GiB }, policies.strict)).toEqual({
      code: 'POLICY_FORBIDS',
      rule: 'forceStart.allow',
    });
  });

  test('of db1 is refused by balanced: 219.5 GiB short, 128.4 allowed', () => {
    expect(refusalOf(forced, policies.balanced)).toEqual({ code: 'POLICY_FORBIDS', rule: 'forceStart.maxShortfall' });
  });

  test('of db1 is admitted by restart-first, and begins with 294.2 GiB', () => {
    const { refusal, limitBytes } = decide(known(ledgerOf()), forced, policies['restart-first']);
    expect([refusal, formatBytes(limitBytes ?? 0)]).toEqual([null, '294.2 GiB']);
  });

  test('begins with all of it where nothing is short', () => {
    expect(decide(known(ledgerOf()), { ...forced, promisedBytes: gib(200) }, policies.balanced).limitBytes).toBeNull();
  });

  test('that would have to be braked asks how long the draining takes, and the pressure', () => {
    const short = { ...forced, promisedBytes: gib(400) };
    const at = (moment: Partial<Moment>): Refusal | null =>
      refusalOf(short, policies.balanced, ledgerOf(), { ...calm, ...moment });
    expect(at({})).toBeNull();
    expect(at({ drainRateBytes: gib(4.9) })).toEqual({ code: 'POLICY_FORBIDS', rule: 'forceStart.maxDrainTime' });
    expect(at({ drainRateBytes: gib(5.1) })).toBeNull();
    expect(at({ drainRateBytes: null })).toEqual({ code: 'POLICY_FORBIDS', rule: 'forceStart.maxDrainTime' });
    expect(at({ pressurePercent: known(10.1) })).toEqual({ code: 'POLICY_FORBIDS', rule: 'forceStart.maxPressure' });
    expect(at({ pressurePercent: unknown('no PSI') })).toMatchObject({ code: 'READING_UNKNOWN' });
    const nobodyKnows = { drainRateBytes: null, pressurePercent: unknown('no PSI') };
    expect(refusalOf({ ...forced, promisedBytes: gib(200) }, policies.balanced, ledgerOf(), nobodyKnows)).toBeNull();
  });

  test('needs the hypervisor its own memory at the beginning', () => {
    const { freeToPromiseBytes } = ledgerOf();
    const generous = { ...policies['restart-first'], maxShortfallBytes: 10_000 * GiB };
    const tight = (overheadBytes: number): Refusal | null => refusalOf({ ...forced, overheadBytes }, generous);
    expect(tight(freeToPromiseBytes)).toBeNull();
    expect(tight(freeToPromiseBytes + 3)).toEqual({ code: 'MEMORY_DRAINING', missingBytes: 3 });
  });

  test('of an eager domain is never braked: it waits', () => {
    expect(refusalOf({ ...forced, class: 'eager' }, policies['restart-first'])).toMatchObject({
      code: 'MEMORY_DRAINING',
    });
  });

  test('passes the own predecessor when there is room for both', () => {
    expect(refusalOf({ ...forced, promisedBytes: gib(200) })).toBeNull();
  });

  test('may be short by exactly what the policy allows', () => {
    const { freeToPromiseBytes } = ledgerOf();
    const short = (bytes: number): Refusal | null =>
      refusalOf(
        { ...forced, promisedBytes: freeToPromiseBytes + bytes },
        { ...policies.balanced, maxShortfallBytes: 100 },
      );
    expect([short(0), short(100), short(101)]).toEqual([
      null,
      null,
      { code: 'POLICY_FORBIDS', rule: 'forceStart.maxShortfall' },
    ]);
  });

  test('over more predecessors than the policy allows is refused', () => {
    expect(refusalOf({ ...forced, promisedBytes: GiB, ownDraining: [40, 41] })).toEqual({
      code: 'POLICY_FORBIDS',
      rule: 'forceStart.maxPredecessors',
    });
    expect(refusalOf({ ...forced, promisedBytes: GiB, ownDraining: [40, 41] }, policies['restart-first'])).toBeNull();
  });

  test('of what would not fit when all is drained is refused, whatever the policy allows', () => {
    const generous = { ...policies['restart-first'], maxShortfallBytes: 10_000 * GiB, maxPredecessors: 9 };
    expect(refusalOf({ ...forced, promisedBytes: 700 * GiB }, generous)).toMatchObject({
      code: 'MEMORY_SHORT',
      of: 'capacity',
    });
  });
});

describe('what is set aside for starts queued before', () => {
  const queued = [{ domain: 'big', promisedBytes: 280 * GiB }];

  test('is no longer free to promise, and named as what stands in the way', () => {
    const ledger = ledgerOf({ queued });
    expect(ledger.freeToPromiseBytes).toBe(ledgerOf().freeToPromiseBytes - 280 * GiB);
    expect(refusalOf({ ...other, promisedBytes: gib(14) }, policies.balanced, ledger)).toBeNull();
    const missing = { code: 'MEMORY_DRAINING', missingBytes: expect.any(Number) };
    expect(refusalOf({ ...other, promisedBytes: gib(15) }, policies.balanced, ledger)).toEqual(missing);
  });

  test('is all that is missing where it would fit without them', () => {
    const ledger = ledgerOf({ queued, entries: [web1, web2] });
    expect(refusalOf({ ...other, promisedBytes: ledger.freeToPromiseBytes + 7 }, policies.balanced, ledger)).toEqual({
      code: 'MEMORY_SHORT',
      missingBytes: 7,
      of: 'queue',
    });
  });
});

describe('an eager domain', () => {
  const eager = { ...other, class: 'eager' as const };
  /** Room by promises, since live domains hold less than they may; pages are another matter. */
  const overcommitted = { rule: { overcommit: 2 }, entries: [web1, web2] };

  test('is refused when its pages are not there now, though it was promised them', () => {
    const ledger = ledgerOf({ ...overcommitted, host: { availableBytes: 100 * GiB } });
    expect(refusalOf({ ...eager, promisedBytes: 101 * GiB }, policies.balanced, ledger)).toEqual({
      code: 'MEMORY_SHORT',
      missingBytes: GiB,
      of: 'available memory',
    });
    expect(refusalOf({ ...eager, promisedBytes: 100 * GiB }, policies.balanced, ledger)).toBeNull();
    expect(refusalOf({ ...other, promisedBytes: 101 * GiB }, policies.balanced, ledger)).toBeNull();
  });

  test('waits when draining memory will give the pages', () => {
    const ledger = ledgerOf({ ...overcommitted, entries: [web1, web2, db1], host: { availableBytes: 100 * GiB } });
    expect(refusalOf({ ...eager, promisedBytes: 400 * GiB }, policies.balanced, ledger)).toEqual({
      code: 'MEMORY_DRAINING',
      missingBytes: 300 * GiB,
    });
    expect(refusalOf({ ...eager, promisedBytes: gib(400) + 1 }, policies.balanced, ledger)).toMatchObject({
      code: 'MEMORY_SHORT',
      of: 'available memory',
    });
  });

  test('hears first of what the promises lack', () => {
    expect(refusalOf({ ...eager, promisedBytes: 900 * GiB })).toMatchObject({ code: 'MEMORY_SHORT', of: 'capacity' });
  });
});

describe('an unknown ledger', () => {
  const nothing = unknown("memory held by incarnation 38 of 'web1': EIO");

  test('refuses every start with the reason, and no figures', () => {
    const refusal = { code: 'READING_UNKNOWN', reason: nothing.known ? '' : nothing.reason };
    expect(decide(nothing, other, policies.balanced)).toEqual({ arithmetic: null, refusal, limitBytes: null });
    expect(decide(nothing, forced, policies['restart-first'])).toEqual({ arithmetic: null, refusal, limitBytes: null });
  });

  test('cannot tell that only the own predecessor stands in the way', () => {
    expect(decide(nothing, restart, policies.balanced)).toMatchObject({
      arithmetic: null,
      refusal: { code: 'READING_UNKNOWN' },
    });
  });
});
