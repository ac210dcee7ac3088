/**
 * `npm run bench:brake [-- RUNS [CONTENDER...]]`: what holds old and new within a bound, and at what price. On a hybrid host
 * there is no fence: the freezer alone, and nothing to compare it with but nothing; all of it with
 * `npm run lab -- npm run bench:brake`. One line of JSON a run, then the table of docs/brake-figures.md.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CgroupRoot, readHierarchy } from '../../../cgroups/hierarchy.ts';
import { buildPrograms, type Contender, MiB, type Outcome, type Plan, run, sizes } from './run.ts';

const contenders: readonly Contender[] = ['brake', 'none', 'max only', 'high only'];
const [runs = '3', ...chosen] = process.argv.slice(2);

const hierarchy = readHierarchy();
const possible = contenders.filter((one) => hierarchy.kind === 'unified' || one === 'brake' || one === 'none');

const plans: Plan[] = (['steps', 'stall', 'slow'] as const).flatMap((drain) =>
  possible
    .filter((contender) => chosen.length === 0 || chosen.includes(contender))
    .flatMap((contender) =>
      ([4, 1] as const).flatMap((vcpus) =>
        (['anon', 'memfd'] as const)
          // The others are there to be compared with: of each drain once.
          .filter((kind) => contender === 'brake' || (kind === 'anon' && vcpus === 4))
          .map((kind) => ({ contender, kind, drain, vcpus })),
      ),
    ),
);

function mib(bytes: number): string {
  return (bytes / MiB).toFixed(0);
}

function row(all: readonly Outcome[]): string {
  const [one] = all;
  if (!one) return '';
  const worst = (figure: (outcome: Outcome) => number): number => Math.max(...all.map(figure));
  const done = all.every(({ doneMs }) => doneMs !== null);
  const ratio = done ? worst(({ doneMs, drainedMs }) => (doneMs ?? 0) / drainedMs).toFixed(2) : 'never';
  const figures = [
    [mib(worst(({ peakBytes }) => peakBytes)), mib(sizes.boundBytes)].join(' of '),
    ...(hierarchy.kind === 'unified'
      ? [worst(({ oomKills }) => oomKills ?? 0), worst(({ maxHits }) => maxHits ?? 0)]
      : ['-', '-']),
    worst(({ p99Ms }) => p99Ms).toFixed(0),
    worst(({ worstMs }) => worstMs).toFixed(0),
    (worst(({ drainedMs }) => drainedMs) / 1000).toFixed(1),
    ratio,
  ];
  return `| ${[one.contender, one.drain, one.kind, one.vcpus, all.length, ...figures].join(' | ')} |`;
}

const root = await CgroupRoot.open(hierarchy, `/domctl-bench-${process.pid}`);
const programs = mkdtempSync(join(tmpdir(), 'bench-brake-'));
try {
  buildPrograms(programs);
  const table: string[] = [];
  for (const plan of plans) {
    const outcomes: Outcome[] = [];
    for (let count = 0; count < Number(runs); count += 1) {
      const outcome = await run(plan, root, programs);
      process.stdout.write(`${JSON.stringify(outcome)}\n`);
      outcomes.push(outcome);
    }
    table.push(row(outcomes));
  }
  const head = [
    'what',
    'drain',
    'memory',
    'vCPUs',
    'n',
    'peak MiB',
    'OOM kills',
    'max hits',
    'p99 ms',
    'worst ms',
    'drain s',
    'done/drain',
  ];
  process.stdout.write(`| ${head.join(' | ')} |\n|${head.map(() => '---').join('|')}|\n${table.join('\n')}\n`);
} finally {
  rmSync(programs, { recursive: true });
  await root.at().removeIfEmpty();
}
