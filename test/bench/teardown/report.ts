/** Tables, targets and projection of a run, as Markdown. */
import type { Pages } from '../machine.ts';
import { quietOf, type Teardown } from './measure.ts';
import { type ProgramResults, programTables } from './program-report.ts';
import { projection } from './projection.ts';
import type { Results } from './run.ts';
import { figure, spread, words } from '../statistics.ts';
import { table } from '../table.ts';
import { targets } from './targets.ts';

export interface Report {
  readonly machine: string;
  readonly load: { readonly before: number; readonly after: number };
  readonly quick: boolean;
  readonly guests: Results | null;
  readonly programs: ProgramResults | null;
}

export function report({ machine, load, guests, programs }: Report): string {
  const parts = [
    `Machine: ${machine}; load ${load.before.toFixed(1)} before, ${load.after.toFixed(1)} after.`,
    ...(guests ? guestTables(guests) : []),
    ...(programs ? programTables(programs) : []),
  ];
  return `${parts.join('\n\n')}\n`;
}

/** Of each row what was measured on a quiet machine, or all of it where nothing was. */
export function quietly(results: Results): Results {
  const teardowns = groups(results.teardowns, ({ gib, pages, contender }) => `${gib} ${pages} ${contender}`);
  const restarts = groups(results.restarts, ({ gib, contender }) => `${gib} ${contender}`);
  return { ...results, teardowns: teardowns.flatMap(quietOf), restarts: restarts.flatMap(quietOf) };
}

const titles: Readonly<Record<Pages, string>> = {
  '4k': 'Anonymous memory, 4 KiB pages',
  thp: 'Anonymous memory, transparent huge pages',
  memfd: 'Shared memory (memfd), 4 KiB pages',
  hugetlb: 'Reserved huge pages, 2 MiB',
};

function guestTables(results: Results): string[] {
  const kinds = (Object.keys(titles) as Pages[]).filter((pages) =>
    results.teardowns.some((each) => each.pages === pages),
  );
  return [
    `QEMU 10.0.2; libvirt ${results.libvirtVersion ?? 'not measured'}.`,
    ...kinds.map(
      (pages) => `### ${titles[pages]}\n\n${teardownTable(results.teardowns.filter((each) => each.pages === pages))}`,
    ),
    `### Destroy and start again\n\n${restartTable(results)}`,
    `### CPU time\n\n${cpuTable(results.teardowns)}`,
    `### Targets\n\n${targets(results)}`,
    `### Projection\n\n${projection(results.teardowns)}`,
    ...(results.notMeasured.length > 0 ? [`Not measured: ${results.notMeasured.join('; ')}.`] : []),
  ];
}

/** In the order in which they first came. */
function groups<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const found = new Map<string, T[]>();
  for (const item of items) found.set(keyOf(item), [...(found.get(keyOf(item)) ?? []), item]);
  return [...found.values()];
}

const head = [
  'guest',
  'contender',
  'n',
  'image lock free, ms',
  'process gone, ms',
  'memory back, ms',
  'says off, ms',
  'most held then, GiB',
];

function teardownTable(teardowns: readonly Teardown[]): string {
  const bySize = groups(teardowns, ({ gib, contender }) => `${gib} ${contender}`).toSorted(
    ([a], [b]) => order(a!) - order(b!),
  );
  return table(head, bySize.map(teardownRow));
}

const contenders = [
  'QEMU, SIGTERM',
  'QEMU, SIGKILL',
  'QEMU async',
  'libvirt',
  'domctl none',
  'domctl fast',
  'domctl gentle',
];

function order({ gib, contender }: Teardown): number {
  return gib * 100 + contenders.findIndex((name) => contender.startsWith(name));
}

function teardownRow(runs: readonly Teardown[]): string[] {
  const { gib, contender } = runs[0]!;
  const of = (key: 'lockFreeMs' | 'goneMs' | 'backMs' | 'saidOffMs'): string =>
    words(spread(runs.map((run) => run[key])));
  // The watch ends with the last hundredth, so what came after says no more than that.
  const early = runs.filter(({ saidOffMs, backMs }) => saidOffMs < backMs);
  const held = Math.max(0, ...early.map(({ heldWhenOffBytes }) => heldWhenOffBytes / 2 ** 30));
  const truth = held > gib / 100 ? `${held.toFixed(2)} (${early.length} of ${runs.length})` : '< 1 %';
  return [
    `${gib} GiB`,
    contender,
    `${runs.length}`,
    of('lockFreeMs'),
    of('goneMs'),
    of('backMs'),
    of('saidOffMs'),
    truth,
  ];
}

function restartTable({ restarts, restartParts }: Results): string {
  const floorOf = (wanted: number): number =>
    spread(restarts.filter(({ contender, gib }) => contender.startsWith('floor') && gib === wanted).map(({ ms }) => ms))
      .median;
  const rows = groups(restarts, ({ gib, contender }) => `${gib} ${contender}`)
    .toSorted(([a], [b]) => a!.gib - b!.gib)
    .map((runs) => {
      const { contender, gib } = runs[0]!;
      const ms = spread(runs.map((run) => run.ms));
      return [contender, `${gib} GiB`, `${runs.length}`, words(ms), figure(ms.median / floorOf(gib))];
    });
  const parts = groups(restartParts, ({ gib }) => String(gib)).map((runs) => {
    const destroy = words(spread(runs.map(({ destroyMs }) => destroyMs)));
    const start = words(spread(runs.map(({ startMs }) => startMs)));
    return `Of domctl's at ${runs[0]!.gib} GiB: destroy answered after ${destroy} ms, force-start after ${start} ms more.`;
  });
  const head = ['contender', 'guest that ends', 'n', 'stop request to the next vCPUs running, ms', 'x floor'];
  return [table(head, rows), ...parts].join('\n\n');
}

/** So much of a CPU may be busy with other things before the machine-wide figure is believed. */
const quiet = 0.1;

/** The machine's own figure comes in steps of 10 ms. */
const leastUs = 500_000;

function cpuTable(teardowns: readonly Teardown[]): string {
  const believed = teardowns.filter(({ idle, gib, contender, chargedUs }) => {
    return idle < quiet && gib >= 4 && chargedUs > leastUs && contender.startsWith('domctl');
  });
  if (believed.length === 0) return 'No moment was quiet enough to say what the machine did.';
  const rows = groups(believed, ({ contender, pages }) => `${contender} ${pages}`).map((runs) => {
    const share = spread(runs.map((run) => run.chargedUs / run.machineUs)).median;
    const ms = words(spread(runs.map((run) => run.chargedUs / 1000 / run.gib)));
    return [runs[0]!.contender, runs[0]!.pages, `${runs.length}`, ms, `${(share * 100).toFixed(0)} %`];
  });
  return table(['contender', 'pages', 'n', "cgroup's cpu.stat, ms a GiB", 'of what the whole machine did'], rows);
}
