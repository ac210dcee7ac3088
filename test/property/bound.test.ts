/** Laws of the bound, for any order of admissions, growth, deaths and draining on one host. */
import { fc, test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';
import { type Limit, limitOf, limitUnder, shortfallOfNew } from '../../lib/admission/bound.ts';
import { drawUp, type Ledger } from '../../lib/admission/ledger.ts';
import { known } from '../../lib/reading.ts';

const totalBytes = 1000;

type Step =
  | { readonly do: 'admit'; readonly promised: number; readonly domain: string }
  | { readonly do: 'grow' | 'die' | 'drain'; readonly which: number; readonly share: number };

const share = fc.double({ min: 0, max: 1, noNaN: true });
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('admit' as const),
    promised: fc.integer({ min: 1, max: 600 }),
    domain: fc.constantFrom('a', 'b', 'c', 'd'),
  }),
  fc.record({ do: fc.constantFrom('grow' as const, 'die' as const, 'drain' as const), which: fc.nat(), share }),
);

interface Machine {
  readonly incarnation: number;
  readonly domain: string;
  readonly promised: number;
  phase: 'live' | 'draining';
  held: number;
  limit: Limit | null;
}

/** A host whose machines take all they are let have. */
class World {
  readonly machines: Machine[] = [];
  readonly #foreign: number;

  constructor(foreign: number) {
    this.#foreign = foreign;
  }

  ledger(): Ledger {
    const held = this.machines.reduce((sum, machine) => sum + machine.held, 0);
    const entries = this.machines.map(({ incarnation, domain, phase, promised, held }) => ({
      incarnation,
      domain,
      phase,
      promisedBytes: promised,
      held: known(held),
    }));
    const memory = { totalBytes, availableBytes: totalBytes - held - this.#foreign, hugePoolBytes: 0 };
    const ledger = drawUp(known(memory), { overcommit: 1, reserveBytes: 0 }, entries);
    if (!ledger.known) throw new Error(ledger.reason);
    return ledger.value;
  }

  take(step: Step): void {
    if (step.do === 'admit') this.#admit(step.domain, step.promised);
    else this.#change(step.do, step.which, step.share);
    const ledger = this.ledger();
    for (const machine of this.#of('live')) machine.limit = limitOf(ledger, machine.incarnation, machine.limit);
  }

  #admit(domain: string, promised: number): void {
    const { shortfallBytes, structuralBytes } = shortfallOfNew(this.ledger(), promised);
    const isLive = this.#of('live').some((machine) => machine.domain === domain);
    if (isLive || structuralBytes > 0 || limitUnder(promised, shortfallBytes) === 0) return;
    const incarnation = this.machines.length + 1;
    this.machines.push({ incarnation, domain, promised, phase: 'live', held: 0, limit: null });
  }

  #change(what: 'grow' | 'die' | 'drain', which: number, part: number): void {
    const candidates = this.#of(what === 'drain' ? 'draining' : 'live');
    const machine = candidates[which % candidates.length];
    if (!machine) return;
    if (what === 'die') machine.phase = 'draining';
    if (what === 'drain') machine.held -= Math.ceil(machine.held * part);
    if (what === 'grow') machine.held = Math.max(machine.held, Math.floor((machine.limit?.limitBytes ?? 0) * part));
  }

  #of(phase: Machine['phase']): Machine[] {
    return this.machines.filter((machine) => machine.phase === phase);
  }
}

const traces = fc.array(steps, { maxLength: 40, size: 'max' });

function eachMoment(foreign: number, trace: readonly Step[], look: (world: World, ledger: Ledger) => void): void {
  const world = new World(foreign);
  for (const step of trace) {
    world.take(step);
    look(world, world.ledger());
  }
}

describe('the bound', () => {
  test.prop([fc.nat({ max: 400 }), traces], { numRuns: 150 })(
    'keeps limits and what drains within capacity',
    (foreign, trace) => {
      eachMoment(foreign, trace, ({ machines }, ledger) => {
        const limits = machines.reduce(
          (sum, { phase, limit }) => sum + (phase === 'live' ? (limit?.limitBytes ?? 0) : 0),
          0,
        );
        expect(limits + ledger.heldDrainingBytes).toBeLessThanOrEqual(ledger.capacityBytes);
      });
    },
  );

  test.prop([fc.nat({ max: 400 }), traces], { numRuns: 150 })(
    'never lowers a limit, and gives all that was promised once nothing drains',
    (foreign, trace) => {
      const seen = new Map<number, number>();
      eachMoment(foreign, trace, ({ machines }, ledger) => {
        for (const { incarnation, limit, phase, promised } of machines) {
          if (phase === 'draining' || !limit) continue;
          expect(limit.limitBytes).toBeGreaterThanOrEqual(seen.get(incarnation) ?? 0);
          expect(limit.limitBytes).toBeLessThanOrEqual(promised);
          if (ledger.heldDrainingBytes === 0) expect(limit.lifted).toBe(true);
          seen.set(incarnation, limit.limitBytes);
        }
      });
    },
  );

  test.prop([fc.nat({ max: 400 }), traces], { numRuns: 150 })(
    "puts the fence where the domain's own draining is, over both",
    (foreign, trace) => {
      eachMoment(foreign, trace, ({ machines }) => {
        for (const { domain, phase, limit, held } of machines) {
          if (phase === 'draining' || !limit) continue;
          const own = machines.filter((other) => other.domain === domain && other.phase === 'draining');
          const drains = own.reduce((sum, other) => sum + other.held, 0);
          expect(limit.place).toBe(own.length > 0 ? 'domain' : 'incarnation');
          expect(limit.fenceBytes).toBeGreaterThanOrEqual(Math.max(limit.limitBytes, held) + drains);
        }
      });
    },
  );
});
