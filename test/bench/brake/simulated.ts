/**
 * `domctl simulate` held against the real thing: how fast the machine dirties without a brake goes into a scenario, then a
 * run over a slow drain and one over a stalled one are compared with what the simulation says of them.
 */
import { packageDir } from '../../../lib/places.ts';
import { loadHostConfig, loadPolicy } from '../../../lib/policy/load.ts';
import type { Scenario } from '../../../lib/simulation/scenario.ts';
import { runPolicy } from '../../../lib/simulation/simulate.ts';
import { type Drain, drainings, MiB, sizes, usual } from './plan.ts';
import { type Outcome, type Place, run } from './run.ts';

/** What a host keeps back, whatever its file says. */
const leastReserveBytes = 2 ** 30;
const tickMs = 10;
const policyName = 'restart-first';
/** A drain that gives all back at once. */
const atOnceBytes = 64 * 2 ** 30;

/** Prints peak and downtime, measured and simulated, and by how much they differ. */
export async function simulated(_count: number, place: Place): Promise<void> {
  const free = await run({ ...usual, contender: 'none', drain: 'stall' }, place);
  const dirtyRateBytes = Math.floor((sizes.dirtiedBytes * 1000) / (free.doneMs ?? Number.NaN));
  process.stdout.write(`dirties ${(dirtyRateBytes / MiB).toFixed(0)} MiB/s without a brake\n`);
  process.stdout.write('| drain | what | measured | simulated | difference |\n|---|---|---|---|---|\n');
  for (const drain of ['slow', 'stall'] as const) {
    const outcome = await run({ ...usual, drain }, place);
    await compare(outcome, scenarioOf(drain, outcome, dirtyRateBytes));
  }
}

function scenarioOf(drain: Drain, { drainedMs }: Outcome, dirtyRateBytes: number): Scenario {
  const held = (sizes.oldBytes / sizes.promisedBytes) * 100;
  const group = { count: 1, memoryBytes: sizes.promisedBytes, vcpus: usual.vcpus, heldPercent: held };
  const rateBytes = Math.floor((sizes.oldBytes * 1000) / drainedMs);
  return {
    description: 'a run of the bench',
    host: {
      ...{ memoryBytes: sizes.boundBytes + leastReserveBytes, otherBytes: 0, overcommit: 1, pressurePercent: 0 },
      reserve: { kind: 'bytes', bytes: leastReserveBytes },
    },
    restart: { ...group, preallocated: false, everyMs: 0 },
    neighbours: { ...group, count: 0 },
    drain:
      drain === 'slow'
        ? { rateBytes, freedMs: 0, stallAfterMs: null, stallForMs: 0 }
        : { rateBytes: atOnceBytes, freedMs: 0, stallAfterMs: 0, stallForMs: drainings.stall.time },
    boot: { timeMs: 0, dirtyRateBytes, needsPercent: held },
    policies: [policyName],
  };
}

/** Sizes are whole machines here: there is no hypervisor whose overhead would count. */
async function compare(outcome: Outcome, scenario: Scenario): Promise<void> {
  const places = { configDir: '/nowhere', shippedDir: `${packageDir()}/policies` };
  const [{ value: config }, { value: policy }] = [await loadHostConfig(places), await loadPolicy(policyName, places)];
  const overhead = { fixedBytes: 0, perVcpuBytes: 0, memoryPercent: 0 };
  const { downtimeMs, peakBytes } = runPolicy(scenario, policy, { ...config, overhead }, tickMs);
  print(outcome.drain, 'peak, MiB', outcome.peakBytes / MiB, peakBytes / MiB);
  print(outcome.drain, 'downtime, ms', outcome.doneMs ?? Number.NaN, downtimeMs?.longest ?? Number.NaN);
}

function print(drain: Drain, what: string, measured: number, foretold: number): void {
  const percent = ((foretold - measured) / measured) * 100;
  const sign = percent > 0 ? '+' : '';
  const figures = [measured.toFixed(0), foretold.toFixed(0), `${sign}${percent.toFixed(1)} %`];
  process.stdout.write(`| ${[drain, what, ...figures].join(' | ')} |\n`);
}
