/** Everything that is measured of guests, in rounds in which the contenders take turns. */
import { readHierarchy, CgroupRoot } from '../../../cgroups/hierarchy.ts';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Contender } from './contender.ts';
import { nowMs } from './contender.ts';
import { daemonUs, domctl, restarts, startDomctl, type Domctl } from './domctl.ts';
import { atEnd, goOn } from './ending.ts';
import type { Guest } from './guest.ts';
import { libvirt, type Libvirt, removeCgroups, startLibvirt } from './libvirt.ts';
import { GiB, meminfo, type Pages, releaseHugePages, reserveHugePages, useThp } from './machine.ts';
import { measureRestart, measureTeardown, type Restart, type Teardown } from './measure.ts';
import type { Packages } from './packages.ts';
import { floor, raw, sweepAll } from './raw.ts';
import { compile } from './watch.ts';

/** What can be measured by itself, in the order of their weight. */
export const allParts = ['small', 'restart', 'key', 'thp', 'memfd', 'hugetlb', 'parent', 'big', 'middle'] as const;
export type Part = (typeof allParts)[number];

export interface Settings {
  readonly parts: readonly Part[];
  /** What an earlier run measured on this machine. */
  readonly before: Results | null;
  readonly scratch: string;
  readonly packages: Packages;
  readonly quick: boolean;
  readonly minutes: number;
  /** Called after each set of rounds with all there is so far. */
  save(results: Results): void;
}

export interface Results {
  readonly libvirtVersion: string | null;
  readonly notMeasured: readonly string[];
  readonly teardowns: readonly Teardown[];
  readonly restarts: readonly Restart[];
  readonly restartParts: readonly { destroyMs: number; startMs: number }[];
}

/** So often one contender with one guest. */
interface Cell {
  readonly contender: Contender;
  readonly guest: Guest;
  readonly times: number;
}

type Contenders = Readonly<Record<'term' | 'kill' | 'async' | 'fast' | 'gentle' | 'none' | 'killed', Contender>> & {
  /** Empty: there is none. */
  readonly libvirt: readonly Contender[];
};

class Bench {
  readonly teardowns: Teardown[] = [];
  readonly restarts: Restart[] = [];
  readonly notMeasured: string[] = [];
  readonly #stopwatch: string;
  readonly #daemon: Domctl;
  readonly #endMs: number;

  libvirtVersion: string | null = null;
  readonly #save: Settings['save'];

  constructor(settings: Settings, daemon: Domctl) {
    this.#stopwatch = compile('stopwatch', settings.scratch);
    this.#daemon = daemon;
    this.#endMs = nowMs() + settings.minutes * 60_000;
    this.#save = settings.save;
    const { before } = settings;
    if (!before) return;
    this.teardowns.push(...before.teardowns);
    this.restarts.push(...before.restarts);
    this.notMeasured.push(...before.notMeasured);
    restarts.push(...before.restartParts);
  }

  get results(): Results {
    const { libvirtVersion, notMeasured, teardowns } = this;
    return { libvirtVersion, notMeasured, teardowns, restarts: this.restarts, restartParts: restarts };
  }

  /** Rounds in which each cell that still wants comes once, each round from another one on. */
  async rounds(what: string, cells: readonly Cell[], measure: (cell: Cell) => Promise<void>): Promise<void> {
    const most = Math.max(...cells.map(({ times }) => times));
    for (let round = 0; round < most; round += 1) {
      if (round >= 3 && nowMs() > this.#endMs)
        return void this.notMeasured.push(`${what}: rounds after ${round}: out of time`);
      process.stderr.write(`${what}: round ${round + 1} of ${most}\n`);
      const due = cells.filter(({ times }) => times > round);
      for (let turn = 0; turn < due.length; turn += 1)
        await this.#one(what, due[(round + turn) % due.length]!, measure);
      this.#save(this.results);
    }
  }

  async #one(what: string, cell: Cell, measure: (cell: Cell) => Promise<void>): Promise<void> {
    goOn();
    try {
      await measure(cell);
    } catch (error) {
      goOn();
      const why = error instanceof Error ? error.message : String(error);
      this.notMeasured.push(`${what}: ${cell.contender.name}, ${cell.guest.gib} GiB: ${why}`);
      process.stderr.write(`${this.notMeasured.at(-1)}\n`);
    }
  }

  async teardown({ contender, guest }: Cell): Promise<void> {
    const ownUs = async (): Promise<number> => {
      const { user, system } = process.cpuUsage();
      return user + system + (await daemonUs(this.#daemon));
    };
    const seen = await measureTeardown(contender, guest, { stopwatch: this.#stopwatch, ownUs });
    this.teardowns.push(seen);
    process.stderr.write(`  ${seen.contender}: ${JSON.stringify(seen)}\n`);
  }

  async restart({ contender, guest }: Cell): Promise<void> {
    const seen = await measureRestart(contender, guest);
    this.restarts.push(seen);
    process.stderr.write(`  ${seen.contender} ${seen.gib} GiB: ${seen.ms.toFixed(1)} ms\n`);
  }
}

function cellsOf(contenders: readonly Contender[], pages: Pages, times: Readonly<Record<number, number>>): Cell[] {
  return Object.entries(times).flatMap(([gib, each]) =>
    contenders.map((contender) => ({ contender, guest: { gib: Number(gib), pages, touched: true }, times: each })),
  );
}

export async function benchGuests(settings: Settings): Promise<Results> {
  const { scratch, packages, quick } = settings;
  const root = await CgroupRoot.open(readHierarchy(), `/domctl-bench-raw-${process.pid}`);
  await root.makeBranch();
  atEnd(async () => {
    await sweepAll();
    await root.at().removeIfEmpty();
  });
  const daemon = await startDomctl(scratch);
  const bench = new Bench(settings, daemon);
  const reaper = compile('reaper', scratch);
  const before = libvirtCgroups();
  atEnd(() => removeCgroups(libvirtCgroups().filter((directory) => !before.includes(directory))));
  let virt: Libvirt | null = null;
  if (packages.noLibvirt === null) virt = await startLibvirt(scratch, [reaper]);
  else bench.notMeasured.push(packages.noLibvirt);
  bench.libvirtVersion = virt?.version ?? null;
  const place = { scratch, root };
  const current = (): Libvirt => virt!;
  const contenders: Contenders = {
    term: raw({ name: 'QEMU, SIGTERM', signal: 'SIGTERM', asyncTeardown: false }, place),
    kill: raw({ name: 'QEMU, SIGKILL', signal: 'SIGKILL', asyncTeardown: false }, place),
    async: raw({ name: 'QEMU async-teardown, SIGKILL', signal: 'SIGKILL', asyncTeardown: true }, place),
    fast: domctl({ policy: 'fast' }, daemon),
    gentle: domctl({ policy: 'gentle' }, daemon),
    none: domctl({ policy: 'none' }, daemon),
    killed: domctl({ policy: 'fast', killed: true }, daemon),
    libvirt: virt
      ? [
          libvirt({ name: 'libvirt', asyncTeardown: false }, current),
          libvirt({ name: 'libvirt async-teardown', asyncTeardown: true }, current),
        ]
      : [],
  };
  const parts: Readonly<Record<Part, () => Promise<void>>> = {
    small: async () => size(bench, 1, contenders, quick ? 1 : 15),
    key: async () => (quick ? undefined : keyGuests(bench, contenders)),
    big: async () => (quick ? undefined : bigGuests(bench, contenders)),
    restart: async () => restart(bench, contenders, { quick, place }),
    thp: async () => thp(bench, contenders, quick),
    memfd: async () => memfd(bench, contenders, quick),
    hugetlb: async () => hugetlb(bench, contenders, quick),
    middle: async () => (quick ? undefined : middleSizes(bench, contenders)),
    parent: async () => {
      if (!virt) return;
      await virt.close();
      virt = await startLibvirt(scratch, []);
      await asItIs(bench, contenders, quick);
    },
  };
  for (const part of settings.parts) await parts[part]();
  return bench.results;
}

async function size(bench: Bench, gib: number, of: Contenders, times: number): Promise<void> {
  useThp('never');
  const all = [of.kill, of.fast, of.term, of.async, of.gentle, of.none, of.killed, ...of.libvirt];
  await bench.rounds('4k', cellsOf(all, '4k', { [gib]: times }), async (cell) => bench.teardown(cell));
}

/** The two that are held against each other most often. */
async function keyGuests(bench: Bench, of: Contenders): Promise<void> {
  useThp('never');
  await bench.rounds('4k', cellsOf([of.kill, of.fast], '4k', { 12: 15 }), async (cell) => bench.teardown(cell));
}

async function bigGuests(bench: Bench, of: Contenders): Promise<void> {
  useThp('never');
  const others = [of.term, of.async, of.gentle, of.none, of.killed, ...of.libvirt];
  await bench.rounds('4k', cellsOf(others, '4k', { 12: 3 }), async (cell) => bench.teardown(cell));
}

/** What lies between says the least, so it comes late. */
async function middleSizes(bench: Bench, of: Contenders): Promise<void> {
  useThp('never');
  const cells = cellsOf([of.kill, of.fast, of.async, ...of.libvirt.slice(0, 1)], '4k', { 4: 3, 8: 3 });
  await bench.rounds('4k', cells, async (cell) => bench.teardown(cell));
}

/** libvirt whose QEMUs fall to whoever reaps on this host. */
async function asItIs(bench: Bench, of: Contenders, quick: boolean): Promise<void> {
  useThp('never');
  const named = of.libvirt.map((each) => ({ ...each, name: `${each.name}, parent as it is here` }));
  const run = async (cell: Cell): Promise<void> => bench.teardown(cell);
  await bench.rounds('4k, parent as it is', cellsOf(named, '4k', { 1: quick ? 2 : 5 }), run);
  const next = cellsOf(named.slice(0, 1), '4k', { 1: quick ? 2 : 5 });
  await bench.rounds('restart, parent as it is', next, async (cell) => bench.restart(cell));
}

async function restart(
  bench: Bench,
  of: Contenders,
  { quick, place }: { quick: boolean; place: Parameters<typeof floor>[0] },
): Promise<void> {
  useThp('never');
  const least: Contender = {
    name: 'floor: spawn to vCPUs running',
    start: async () => Promise.reject(new Error('not started so')),
  };
  const times = { 1: quick ? 3 : 15 };
  const cells = cellsOf([least, of.kill, of.fast, ...of.libvirt], '4k', times);
  await bench.rounds('restart', cells, async (cell) => {
    if (cell.contender !== least) return bench.restart(cell);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const began = nowMs();
    const end = await floor(place, cell.guest);
    bench.restarts.push({ contender: least.name, gib: cell.guest.gib, ms: nowMs() - began });
    await end();
  });
}

async function thp(bench: Bench, of: Contenders, quick: boolean): Promise<void> {
  useThp('madvise');
  const all = [of.kill, of.async, of.fast, ...of.libvirt.slice(0, 1)];
  await bench.rounds('thp', cellsOf(all, 'thp', quick ? { 1: 1 } : { 12: 3 }), async (cell) => bench.teardown(cell));
}

async function memfd(bench: Bench, of: Contenders, quick: boolean): Promise<void> {
  useThp('never');
  const all = [of.kill, of.async, of.fast, ...of.libvirt.slice(0, 1)];
  await bench.rounds('memfd', cellsOf(all, 'memfd', { [quick ? 1 : 4]: quick ? 1 : 3 }), async (cell) =>
    bench.teardown(cell),
  );
}

async function hugetlb(bench: Bench, of: Contenders, quick: boolean): Promise<void> {
  const all = [of.kill, of.async, of.fast, ...of.libvirt];
  for (const gib of quick ? [1] : [4, 2]) {
    if (meminfo('MemAvailable') * 1024 < (gib + 2) * GiB || !reserveHugePages(gib * GiB)) continue;
    await bench.rounds('hugetlb', cellsOf(all, 'hugetlb', { [gib]: quick ? 1 : 3 }), async (cell) =>
      bench.teardown(cell),
    );
    releaseHugePages();
    return;
  }
  bench.notMeasured.push('hugetlb: the kernel finds no huge pages to reserve');
}

/** Directories of libvirt's without machined, in every cgroup mount. */
function libvirtCgroups(): string[] {
  const mounts = ['/sys/fs/cgroup', ...list('/sys/fs/cgroup')];
  return mounts.map((mount) => join(mount, 'machine')).flatMap((directory) => tree(directory));
}

function tree(directory: string): string[] {
  try {
    return [directory, ...list(directory).flatMap(tree)];
  } catch {
    return [];
  }
}

function list(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => join(directory, name));
}
