/** Everything that is measured of guests, in rounds in which the contenders take turns. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CgroupRoot, readHierarchy } from '../../../cgroups/hierarchy.ts';
import { type Contender, nowMs } from './contender.ts';
import { domctl, restarts, startDomctl } from './domctl.ts';
import type { Daemon } from '../daemon.ts';
import { atEnd, goOn } from '../ending.ts';
import type { Guest } from './guest.ts';
import { libvirt, type Libvirt, removeCgroups, startLibvirt } from './libvirt.ts';
import { GiB, meminfo, releaseHugePages, reserveHugePages, useThp } from '../machine.ts';
import { processorMs } from '../processes.ts';
import { isQuiet, measureRestart, measureTeardown, type Restart, type Teardown, untilQuiet } from './measure.ts';
import type { Packages } from './packages.ts';
import { type Contenders, type Part, plan, planParent, type Planned } from './plan.ts';
import { floor, raw, sweepAll } from './raw.ts';
import { compile } from './watch.ts';

export interface Settings {
  readonly parts: readonly Part[];
  /** What an earlier run measured on this machine. */
  readonly before: Results | null;
  readonly scratch: string;
  readonly packages: Packages;
  readonly quick: boolean;
  /** By then it is over, whatever is still due; as nowMs(). */
  readonly endMs: number;
  /** Called after each round with all there is so far. */
  save(results: Results): void;
}

export interface Results {
  readonly libvirtVersion: string | null;
  readonly notMeasured: readonly string[];
  readonly teardowns: readonly Teardown[];
  readonly restarts: readonly Restart[];
  readonly restartParts: typeof restarts;
}

class Bench {
  readonly teardowns: Teardown[] = [];
  readonly restarts: Restart[] = [];
  readonly notMeasured: string[] = [];
  readonly #stopwatch: string;
  readonly #daemon: Daemon;

  libvirtVersion: string | null = null;
  readonly #save: Settings['save'];

  constructor(settings: Settings, daemon: Daemon) {
    this.#stopwatch = compile('stopwatch', settings.scratch);
    this.#daemon = daemon;
    this.#save = settings.save;
    const { before } = settings;
    if (!before) return;
    this.teardowns.push(...before.teardowns);
    this.restarts.push(...before.restarts);
    restarts.push(...before.restartParts);
  }

  get results(): Results {
    const { libvirtVersion, notMeasured, teardowns } = this;
    return { libvirtVersion, notMeasured, teardowns, restarts: this.restarts, restartParts: restarts };
  }

  /** Rounds of all that is planned, always of what is furthest behind, so that lack of time costs each the same. */
  async run(planned: readonly Planned[], endMs: number): Promise<void> {
    const rounds = new Map(planned.map((each) => [each, 0]));
    const share = (each: Planned): number =>
      Math.min(...cellsOf(each).map((cell) => this.#quietRuns(each, cell))) / each.times;
    // A cell that fails, or a machine that is never quiet, has twice the rounds it should need.
    const due = (each: Planned): boolean => share(each) < 1 && rounds.get(each)! < 2 * each.times;
    while (nowMs() < endMs) {
      const next = planned.filter(due).toSorted((a, b) => share(a) - share(b))[0];
      if (next === undefined) break;
      const round = rounds.get(next)!;
      await this.#round(next, round, endMs);
      rounds.set(next, round + 1);
      this.#save(this.results);
    }
    for (const each of planned)
      if (share(each) < 1)
        this.notMeasured.push(
          `${each.part}: ${Math.round(share(each) * each.times)} of ${each.times} quiet runs of each`,
        );
  }

  /** Each cell that still lacks a run, each round from another one on. */
  async #round(planned: Planned, round: number, endMs: number): Promise<void> {
    const { part, pages, times } = planned;
    process.stderr.write(`${part}: round ${round + 1}\n`);
    const cells = cellsOf(planned);
    for (let turn = 0; turn < cells.length && nowMs() < endMs; turn += 1) {
      const cell = cells[(round + turn) % cells.length]!;
      if (this.#quietRuns(planned, cell) < times)
        await this.#one(planned, cell.contender, { gib: cell.gib, pages, touched: true });
    }
  }

  /** Runs on a quiet machine that this cell has, an earlier benchmark's with them. */
  #quietRuns({ kind, pages }: Planned, { contender, gib }: Cell): number {
    const runs = kind === 'restart' ? this.restarts : this.teardowns.filter((run) => run.pages === pages);
    return runs.filter((run) => run.contender === contender.name && run.gib === gib && isQuiet(run)).length;
  }

  async #one({ part, kind }: Planned, contender: Contender, guest: Guest): Promise<void> {
    goOn();
    try {
      prepareMemory(guest);
      await (kind === 'restart' ? this.#restart(contender, guest) : this.#teardown(contender, guest));
    } catch (error) {
      goOn();
      const why = error instanceof Error ? error.message : String(error);
      this.notMeasured.push(`${part}: ${contender.name}, ${guest.gib} GiB: ${why}`);
      process.stderr.write(`${this.notMeasured.at(-1)}\n`);
      // What stood in the way may be on its way out.
      await untilQuiet();
    } finally {
      if (guest.pages === 'hugetlb') releaseHugePages();
    }
  }

  async #teardown(contender: Contender, guest: Guest): Promise<void> {
    const ownUs = async (): Promise<number> => {
      const { user, system } = process.cpuUsage();
      return user + system + processorMs(this.#daemon.pid) * 1000;
    };
    const seen = await measureTeardown(contender, guest, { stopwatch: this.#stopwatch, ownUs });
    this.teardowns.push(seen);
    process.stderr.write(`  ${seen.contender}: ${JSON.stringify(seen)}\n`);
  }

  async #restart(contender: Contender, guest: Guest): Promise<void> {
    const seen = await measureRestart(contender, guest);
    this.restarts.push(seen);
    process.stderr.write(`  ${seen.contender} ${seen.gib} GiB: ${seen.ms.toFixed(1)} ms\n`);
  }
}

/** One contender with one size. */
interface Cell {
  readonly contender: Contender;
  readonly gib: number;
}

function cellsOf({ sizes, contenders }: Planned): Cell[] {
  return sizes.flatMap((gib) => contenders.map((contender) => ({ gib, contender })));
}

/** Throws when the kernel does not find the huge pages. */
function prepareMemory({ gib, pages }: Guest): void {
  useThp(pages === 'thp' ? 'madvise' : 'never');
  if (pages !== 'hugetlb') return;
  if (meminfo('MemAvailable') * 1024 < (gib + 2) * GiB || !reserveHugePages(gib * GiB))
    throw new Error('the kernel finds no huge pages to reserve');
}

/** Left for libvirt whose parent is as it is here, which comes last: it is started anew for that. */
const parentMs = 300_000;

export async function benchGuests(settings: Settings): Promise<Results> {
  const { scratch, packages, quick, parts, endMs } = settings;
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
  bench.libvirtVersion = virt?.version ?? settings.before?.libvirtVersion ?? null;
  const contenders = everybody({ scratch, root }, daemon, virt && (() => virt!));
  const wanted = plan(contenders, quick).filter(({ part }) => parts.includes(part));
  const last = virt !== null && parts.includes('parent');
  await bench.run(wanted, last ? endMs - parentMs : endMs);
  if (!last) return bench.results;
  await virt!.close();
  virt = await startLibvirt(scratch, []);
  await bench.run(planParent(contenders, quick), endMs);
  return bench.results;
}

function everybody(place: Parameters<typeof floor>[0], daemon: Daemon, virt: (() => Libvirt) | null): Contenders {
  return {
    floor: floor(place),
    term: raw({ name: 'QEMU, SIGTERM', signal: 'SIGTERM', asyncTeardown: false }, place),
    kill: raw({ name: 'QEMU, SIGKILL', signal: 'SIGKILL', asyncTeardown: false }, place),
    async: raw({ name: 'QEMU async-teardown, SIGKILL', signal: 'SIGKILL', asyncTeardown: true }, place),
    fast: domctl({ policy: 'fast' }, daemon),
    gentle: domctl({ policy: 'gentle' }, daemon),
    none: domctl({ policy: 'none' }, daemon),
    killed: domctl({ policy: 'fast', killed: true }, daemon),
    libvirt: virt
      ? [
          libvirt({ name: 'libvirt', asyncTeardown: false }, virt),
          libvirt({ name: 'libvirt async-teardown', asyncTeardown: true }, virt),
        ]
      : [],
  };
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
