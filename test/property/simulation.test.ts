/** Laws of the virtual host, for any small scenario and any policy. */
import { fc, test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';
import { loadHostConfig, loadPolicy } from '../../lib/policy/load.ts';
import type { Policy } from '../../lib/policy/types.ts';
import { packageDir } from '../../lib/places.ts';
import type { Scenario } from '../../lib/simulation/scenario.ts';
import { runPolicy } from '../../lib/simulation/simulate.ts';
import { VirtualHost } from '../../lib/simulation/virtual-host.ts';

const places = { configDir: '/nowhere', shippedDir: `${packageDir()}/policies` };
const { value: config } = await loadHostConfig(places);
const shipped = await Promise.all(
  ['strict', 'balanced', 'restart-first'].map(async (name) => (await loadPolicy(name, places)).value),
);
const GiB = 2 ** 30;
const tickMs = 100;

const policies: fc.Arbitrary<Policy> = fc.constantFrom(...shipped);
const scenarios: fc.Arbitrary<Scenario> = fc
  .record({
    host: fc.integer({ min: 20, max: 64 }),
    guest: fc.integer({ min: 1, max: 24 }),
    count: fc.integer({ min: 1, max: 4 }),
    everyMs: fc.integer({ min: 0, max: 3000 }),
    neighbours: fc.nat({ max: 3 }),
    held: fc.integer({ min: 10, max: 100 }),
    rate: fc.integer({ min: 1, max: 16 }),
    dirty: fc.integer({ min: 1, max: 32 }),
    preallocated: fc.boolean(),
    stallAfterMs: fc.option(fc.nat({ max: 3000 })),
  })
  .map((one) => ({
    description: 'any',
    host: {
      ...{ memoryBytes: one.host * GiB, otherBytes: GiB, overcommit: 1, pressurePercent: 0 },
      reserve: { kind: 'percent' as const, percent: 2 },
    },
    restart: { ...group(one.count, one.guest, one.held), everyMs: one.everyMs, preallocated: one.preallocated },
    neighbours: group(one.neighbours, 4, 50),
    drain: { rateBytes: one.rate * GiB, freedMs: 50, stallAfterMs: one.stallAfterMs, stallForMs: 5000 },
    boot: { timeMs: 1000, dirtyRateBytes: one.dirty * GiB, needsPercent: 10 },
    policies: [],
  }));

function group(count: number, gib: number, heldPercent: number) {
  return { count, memoryBytes: gib * GiB, vcpus: 4, heldPercent };
}

/** Everyone fits before anything is restarted, as a scenario file must have it. */
function fits(scenario: Scenario, policy: Policy): boolean {
  return new VirtualHost(scenario, policy, config).ledger([]).freeToPromiseBytes >= 0;
}

describe('a simulated restart', () => {
  test.prop([scenarios, policies], { numRuns: 60 })(
    'never passes the bound, and comes to an end',
    (scenario, policy) => {
      fc.pre(fits(scenario, policy));
      const run = runPolicy(scenario, policy, config, tickMs);
      expect(run.peakBytes).toBeLessThanOrEqual(run.boundBytes);
      expect(run.downtimeMs).not.toBeNull();
    },
  );

  test.prop([scenarios, policies, fc.integer({ min: 2, max: 4 })], { numRuns: 60 })(
    'of one domain takes no longer when memory comes back faster',
    (scenario, policy, times) => {
      const one = {
        ...scenario,
        restart: { ...scenario.restart, count: 1 },
        drain: { ...scenario.drain, stallAfterMs: null },
      };
      fc.pre(fits(one, policy));
      const faster = { ...one, drain: { ...one.drain, rateBytes: one.drain.rateBytes * times } };
      const [slow, fast] = [one, faster].map((each) => runPolicy(each, policy, config, tickMs).downtimeMs?.longest);
      expect(fast).toBeLessThanOrEqual(slow ?? Number.NaN);
    },
  );

  test.prop([scenarios], { numRuns: 30 })('overlaps under no policy that forbids it', (scenario) => {
    const [strict] = shipped;
    fc.pre(strict !== undefined && fits(scenario, strict));
    const run = runPolicy(scenario, strict, config, tickMs);
    const drainMs =
      (scenario.restart.memoryBytes * scenario.restart.heldPercent) / 100 / (scenario.drain.rateBytes / 1000);
    for (const { admittedMs, destroyedMs, brakedMs } of run.restarts) {
      expect((admittedMs ?? 0) - destroyedMs).toBeGreaterThanOrEqual(Math.floor(drainMs) - tickMs);
      expect(brakedMs).toBe(0);
    }
  });
});
