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

export interface Settings {
  readonly scratch: string;
  readonly packages: Packages;
  readonly quick: boolean;
  readonly minutes: number;
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

  constructor(settings: Settings, daemon: Domctl) {
    this.#stopwatch = compile('stopwatch', settings.scratch);
    this.#daemon = daemon;
    this.#endMs = nowMs() + settings.minutes * 60_000;
  }

  /** Rounds in which each cell that still wants comes once, each round from another one on. */
  async rounds(what: string, cells: readonly Cell[], measure: (cell: Cell) => Promise<void>): Promise<void> {
    const most = Math.max(...cells.map(({ times }) => times));
    for (let round = 0; round < most; round += 1) {
      if (round >= 3 && nowMs() > this.#endMs) return void this.notMeasured.push(`${what}: rounds after ${round}: out of time`);
      process.stderr.write(`${what}: round ${round + 1} of ${most}\n`);
      const due = cells.filter(({ times }) => times > round);
      for (let turn = 0; turn < due.length; turn += 1) await this.#one(what, due[(round + turn) % due.length]!, measure);
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
    process.stderr.write(`  ${seen.contender} ${seen.gib} GiB ${seen.pages}: lock ${seen.lockFreeMs.toFixed(1)} gone ${seen.goneMs.toFixed(1)} back ${seen.backMs.toFixed(0)} (${seen.machineBackMs.toFixed(0)}) off ${seen.saidOffMs.toFixed(1)} held ${(seen.heldWhenOffBytes / GiB).toFixed(2)} cpu ${(seen.chargedUs / seen.machineUs).toFixed(3)} idle ${seen.idle.toFixed(2)}\n`);
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
    await sweepAll(root);
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
  await smallPages(bench, contenders, quick);
  await restart(bench, contenders, { quick, place });
  await otherPages(bench, contenders, quick);
  if (virt) {
    await virt.close();
    virt = await startLibvirt(scratch, []);
    const asItIs = contenders.libvirt.map((each) => ({ ...each, name: `${each.name}, parent as it is here` }));
    useThp('never');
    const cells = cellsOf(renamed(asItIs, contenders.libvirt), '4k', quick ? { 1: 2 } : { 12: 3 });
    await bench.rounds('4k, parent as it is', cells, async (cell) => bench.teardown(cell));
    const size = quick ? 1 : 8;
    const next = cellsOf(renamed(asItIs, contenders.libvirt).slice(0, 1), '4k', { [size]: 3 });
    await bench.rounds('restart, parent as it is', next, async (cell) => bench.restart(cell));
  }
  const { teardowns, notMeasured } = bench;
  const libvirtVersion = virt?.version ?? null;
  return { libvirtVersion, notMeasured, teardowns, restarts: bench.restarts, restartParts: restarts };
}

function renamed(named: readonly Contender[], starting: readonly Contender[]): Contender[] {
  return named.map(({ name }, index) => ({ name, start: async (guest) => starting[index]!.start(guest) }));
}

async function smallPages(bench: Bench, of: Contenders, quick: boolean): Promise<void> {
  useThp('never');
  const key = [of.kill, of.fast];
  const small = [of.term, of.async, of.gentle, of.none, of.killed, ...of.libvirt];
  const run = async (cell: Cell): Promise<void> => bench.teardown(cell);
  await bench.rounds('4k', cellsOf([...key, ...small], '4k', { 1: quick ? 1 : 15 }), run);
  if (quick) return;
  const cells = [...cellsOf(key, '4k', { 4: 5, 8: 5, 12: 15 }), ...cellsOf(small, '4k', { 4: 4, 8: 3, 12: 4 })];
  await bench.rounds('4k', cells, run);
}

async function restart(bench: Bench, of: Contenders, { quick, place }: { quick: boolean; place: Parameters<typeof floor>[0] }): Promise<void> {
  useThp('never');
  const least: Contender = { name: 'floor: spawn to vCPUs running', start: async () => Promise.reject(new Error('not started so')) };
  const times = quick ? { 1: 3 } : { 8: 11 };
  const cells = cellsOf([least, of.kill, of.async, of.fast, of.none, ...of.libvirt], '4k', times);
  await bench.rounds('restart', cells, async (cell) => {
    if (cell.contender !== least) return bench.restart(cell);
    const began = nowMs();
    const end = await floor(place, cell.guest);
    bench.restarts.push({ contender: least.name, gib: cell.guest.gib, ms: nowMs() - began });
    await end();
  });
}

async function otherPages(bench: Bench, of: Contenders, quick: boolean): Promise<void> {
  const all = [of.kill, of.async, of.fast, of.none, ...of.libvirt];
  const run = async (cell: Cell): Promise<void> => bench.teardown(cell);
  useThp('madvise');
  await bench.rounds('thp', cellsOf([...all, of.gentle], 'thp', quick ? { 1: 1 } : { 1: 5, 12: 5 }), run);
  await bench.rounds('memfd', cellsOf(all, 'memfd', quick ? { 1: 1 } : { 1: 5, 12: 3 }), run);
  for (const gib of quick ? [1] : [8, 4, 2]) {
    if (meminfo('MemAvailable') * 1024 < (gib + 2) * GiB || !reserveHugePages(gib * GiB)) continue;
    await bench.rounds('hugetlb', cellsOf(all, 'hugetlb', { [gib]: quick ? 1 : 5 }), run);
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
