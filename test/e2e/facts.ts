/**
 * What the kernel says, read here and not by the product: the oracle that its words are held against. Reads files of
 * /proc and of the cgroup mounts; the only thing it ever removes is a cgroup tree it is told to.
 */
import { readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readHierarchy } from '../../cgroups/hierarchy.ts';
import { parseCgroupMounts } from '../../cgroups/parse.ts';
import { isErrno } from '../../lib/errors.ts';
import { patient } from '../setup/slowness.ts';

export const MiB = 2 ** 20;

/** Generous: the machine is shared, and nothing here is about speed unless it says so. */
const usualDeadlineMs = 60_000;
const longestWaitMs = 50;

/** Looks again until `look` gives something, soon at first; fails after the deadline, naming what was awaited. */
export async function eventually<T>(
  what: string,
  look: () => T | Promise<T>,
  deadlineMs = usualDeadlineMs,
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + patient(deadlineMs);
  for (let waitMs = 5; ; waitMs = Math.min(longestWaitMs, 1.5 * waitMs)) {
    const seen = await look();
    if (seen !== false && seen != null) return seen as NonNullable<Exclude<T, false>>;
    if (performance.now() > end) throw new Error(`not within ${patient(deadlineMs)} ms: ${what}`);
    await pause(waitMs);
  }
}

/** The file's text, or null when it, its process or its cgroup is gone, or it is not ours to read. */
export function readOrNull(path: string, encoding: 'latin1' | 'utf8' = 'latin1'): string | null {
  try {
    return readFileSync(path, encoding);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'ENODEV', 'EACCES')) return null;
    throw error;
  }
}

/** None of a directory that is not there. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** True while the process can do anything: a zombie cannot. */
export function isAlive(pid: number): boolean {
  const status = readOrNull(`/proc/${pid}/status`);
  return status !== null && !/^State:\s+[ZX]/m.test(status);
}

/** Of a process that may have ended. */
export function signalUnlessGone(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

/** A field of /proc/PID/status, its words joined by one blank. */
export function statusField(pid: number, name: string): string | undefined {
  const status = readOrNull(`/proc/${pid}/status`) ?? '';
  return new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.replace(/\s+/g, ' ');
}

/** Children of a process, of whichever of its threads, that have ended and that it has not asked after. */
export function zombiesOf(parent: number): number[] {
  const pids = namesIn('/proc').filter((name) => /^\d+$/.test(name));
  return pids
    .map(Number)
    .filter((pid) => statusField(pid, 'PPid') === String(parent) && statusField(pid, 'State')?.startsWith('Z'));
}

/** Since boot, in clock ticks: with the pid it is the identity of a process. */
export function startTicks(pid: number): number {
  const stat = readOrNull(`/proc/${pid}/stat`) ?? '';
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
}

/** Paths of a process's cgroups: v2, and that of the v1 memory controller where there is one. */
export function cgroupsOf(pid: number): { unified: string | undefined; memory: string | undefined } {
  const text = readOrNull(`/proc/${pid}/cgroup`) ?? '';
  return { unified: /^0::(.*)$/m.exec(text)?.[1], memory: /^\d+:(?:.*,)?memory(?:,.*)?:(.*)$/m.exec(text)?.[1] };
}

/** Live processes whose command line or environment has `text` in it. */
export function processesNaming(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isAlive(pid))
    .filter((pid) => ['cmdline', 'environ'].some((file) => readOrNull(`/proc/${pid}/${file}`)?.includes(text)));
}

/** How a process would be called in a message. */
export function describeProcess(pid: number): string {
  return `pid ${pid}: ${(readOrNull(`/proc/${pid}/cmdline`) ?? '').replaceAll('\0', ' ').slice(0, 120)}`;
}

export const hierarchy = readHierarchy();

export interface Charge {
  /** False when the v2 directory is gone. */
  readonly exists: boolean;
  readonly populated: boolean;
  /** Charged here and below, without page cache that can be dropped; 0 when the directory with the figures is gone. */
  readonly heldBytes: number;
}

/** What is alive in a cgroup and charged to it, by its path below the mount. */
export function chargeOf(path: string): Charge {
  const events = readOrNull(join(hierarchy.mount.mountPoint, path, 'cgroup.events'));
  return {
    exists: events !== null,
    populated: events !== null && /^populated 1$/m.test(events),
    heldBytes: hierarchy.kind === 'hybrid' ? heldInTwin(join(hierarchy.memory.mountPoint, path)) : heldUnified(path),
  };
}

function heldInTwin(directory: string): number {
  return held(directory, 'memory.usage_in_bytes', ['total_active_file', 'total_inactive_file']);
}

function heldUnified(path: string): number {
  const directory = join(hierarchy.mount.mountPoint, path);
  return held(directory, 'memory.current', ['active_file', 'inactive_file', 'slab_reclaimable']);
}

function held(directory: string, usageFile: string, reclaimable: readonly string[]): number {
  const usage = readOrNull(join(directory, usageFile));
  const stat = readOrNull(join(directory, 'memory.stat'));
  if (usage === null || stat === null) return 0;
  const cache = reclaimable.map((key) => Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0));
  return Number(usage) - cache.reduce((sum, bytes) => sum + bytes, 0);
}

/** An empty cgroup keeps some: per-CPU stock, kernel memory not yet given back. */
export const residueBytes = 4 * MiB;

/** Directories of the tree `root` in every cgroup mount of either version, parents first. */
export function cgroupTree(root: string): string[] {
  const mounts = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  return mounts.flatMap(({ mountPoint }) => directoriesBelow(join(mountPoint, root)));
}

function directoriesBelow(directory: string): string[] {
  try {
    const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [directory, ...below.flatMap(({ name }) => directoriesBelow(join(directory, name)))];
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENODEV')) return [];
    throw error;
  }
}

/** Processes inside the tree. */
export function processesIn(root: string): number[] {
  const texts = cgroupTree(root).map((directory) => readOrNull(join(directory, 'cgroup.procs')) ?? '');
  return [...new Set(texts.flatMap((text) => text.split('\n').filter((line) => line !== '')))].map(Number);
}

/** Removes what is empty of the tree; true when nothing of it is left. */
export function removeTree(root: string): boolean {
  for (const directory of cgroupTree(root).toReversed()) {
    try {
      rmdirSync(directory);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'EBUSY', 'ENOTEMPTY')) throw error;
    }
  }
  return cgroupTree(root).length === 0;
}
