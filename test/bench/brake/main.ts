/**
 * `npm run bench:brake [-- [RUNS] [PART...] [--add FILE] [--minutes N]]`: what holds old and new within a bound, and at what
 * price. On a hybrid host there is no fence: the freezer alone, and nothing to compare it with but nothing; all of it with
 * `npm run lab -- npm run bench:brake`. One line of JSON a run, at once, then the table of docs/brake-figures.md. What is in
 * `--add` counts as run, and is added to. `--table FILE [--svg FILE]`: the table of what was written, and the picture.
 * Parts: bound, others, qemu, kvm, variants (plan.ts); third, decision, overhead, simulate (each its file).
 */
import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readHierarchy } from '../../../cgroups/hierarchy.ts';
import { decision } from './decision.ts';
import { buildPrograms } from './machines.ts';
import { overhead } from './overhead.ts';
import { keyOf, type Part, parts, type Plan } from './plan.ts';
import { draw } from './plot.ts';
import { readOutcomes, runsTable } from './report.ts';
import { type Outcome, type Place, run } from './run.ts';
import { simulated } from './simulated.ts';
import { third } from './third.ts';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    add: { type: 'string' },
    minutes: { type: 'string', default: '600' },
    svg: { type: 'string' },
    table: { type: 'string', multiple: true },
  },
});

/** Parts that are no table of runs: how often each. */
const others: Readonly<Record<string, (count: number, place: Place) => Promise<void>>> = {
  third,
  decision,
  overhead,
  simulate: simulated,
};

const runsWanted = positionals.map(Number).find(Number.isInteger) ?? 3;
const chosen = positionals.filter((word) => !Number.isInteger(Number(word)));
const unknown = chosen.filter((word) => !(word in parts) && !(word in others));
if (unknown.length > 0) throw new Error(`no part '${unknown.join()}': ${Object.keys({ ...parts, ...others }).join()}`);

if (options.table) print(readOutcomes(options.table));
else await runAll();

async function runAll(): Promise<void> {
  const place = { hierarchy: readHierarchy(), programs: mkdtempSync(join(tmpdir(), 'bench-brake-')) };
  try {
    buildPrograms(place.programs);
    const plans = chosen.length === 0 ? [...parts.bound, ...parts.others] : chosen.flatMap((word) => plansOf(word));
    await runPlans(plans, place);
    for (const [name, part] of Object.entries(others)) if (chosen.includes(name)) await part(runsWanted, place);
  } finally {
    rmSync(place.programs, { recursive: true });
  }
}

function plansOf(word: string): readonly Plan[] {
  return word in parts ? parts[word as Part] : [];
}

/** Every plan once, then all again: what is broken off has as many of each. */
async function runPlans(plans: readonly Plan[], place: Place): Promise<void> {
  const isPossible = ({ contender }: Plan): boolean =>
    place.hierarchy.kind === 'unified' || contender === 'brake' || contender === 'none';
  const done = options.add !== undefined && existsSync(options.add) ? readOutcomes([options.add]) : [];
  const endMs = performance.now() + Number(options.minutes) * 60_000;
  for (let round = 1; round <= runsWanted; round += 1)
    for (const plan of plans.filter(isPossible)) {
      const count = done.filter((outcome) => keyOf(outcome) === keyOf(plan)).length;
      if (count >= round || performance.now() > endMs) continue;
      done.push(await runOnce(plan, place, count === 0));
    }
  if (plans.length > 0) print(done);
}

async function runOnce(plan: Plan, place: Place, isTraced: boolean): Promise<Outcome> {
  const outcome = await run(plan, place, isTraced);
  const line = `${JSON.stringify(outcome)}\n`;
  process.stdout.write(line);
  if (options.add !== undefined) appendFileSync(options.add, line);
  return outcome;
}

function print(outcomes: readonly Outcome[]): void {
  process.stdout.write(`${runsTable(outcomes)}\n`);
  if (options.svg !== undefined) writeFileSync(options.svg, draw(outcomes));
}
