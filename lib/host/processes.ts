/** Facts about processes from /proc: identity, children, open and mapped files. Never asked of a dying hypervisor's memory. */
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import type { ProcessIdentity, RamFile } from '../domain/incarnation.ts';
import { isErrno } from '../errors.ts';

/** What /proc/PID/stat tells of a process. */
export interface ProcessFacts {
  readonly identity: ProcessIdentity;
  readonly name: string;
  /** Pid of its parent. */
  readonly parent: number;
  /**
   * Its first thread is on its way out already, e.g. giving its memory back (PF_EXITING of the flags, field 9). Others may
   * live on: see isEnding.
   */
  readonly exiting: boolean;
}

const exitingFlag = 0x4;

/** The process of that pid now (it may be a zombie), or null. */
export function readProcess(pid: number): ProcessFacts | null {
  return unlessGone(() => parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8')));
}

/** The name stands in parentheses and may hold any character, so the fields are counted from the last one. */
export function parseStat(text: string): ProcessFacts {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text.slice(close + 2).split(' ');
  const startTicks = Number(fields[19]);
  if (open < 0 || close < 0 || !Number.isSafeInteger(startTicks))
    throw new Error(`cannot understand ${text.slice(0, 60)}`);
  const identity = { pid: Number(text.slice(0, open)), startTicks };
  const exiting = (Number(fields[6]) & exitingFlag) !== 0;
  return { identity, name: text.slice(open + 1, close), parent: Number(fields[1]), exiting };
}

/** Whether all of the process is on its way out, or gone: a first thread that has ended says nothing of the others. */
export function isEnding(pid: number): boolean {
  const threads = unlessGone(() => readdirSync(`/proc/${pid}/task`)) ?? [];
  return threads.every((thread) => {
    const stat = unlessGone(() => readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'));
    return stat === null || parseStat(stat).exiting;
  });
}

/** Pids of the children of this very process, zombies among them. */
export function ownChildren(): number[] {
  const text = unlessGone(() => readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')) ?? '';
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map(Number);
}

/** What a thread has had of the processors, in microseconds; null when it is gone. */
export interface ThreadTime {
  readonly usedUs: number;
  /** Runnable, and kept waiting by others; null where the kernel does not tell. */
  readonly waitedUs: number | null;
}

/** sysconf(_SC_CLK_TCK), which is 100 on every architecture QEMU runs on as a host (asm-generic/param.h). */
const tickUs = 10_000;

/** utime and stime of the thread (fields 14 and 15 of its stat), and run_delay of its schedstat. */
export function readThreadTime(pid: number, thread: number): ThreadTime | null {
  const directory = `/proc/${pid}/task/${thread}`;
  const stat = unlessGone(() => readFileSync(`${directory}/stat`, 'utf8'));
  if (stat === null) return null;
  const schedstat = unlessGone(() => readFileSync(`${directory}/schedstat`, 'utf8'));
  return { usedUs: parseThreadTicks(stat) * tickUs, waitedUs: schedstat === null ? null : parseRunDelay(schedstat) };
}

/** utime + stime, in ticks. */
export function parseThreadTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  if (!Number.isSafeInteger(ticks)) throw new Error(`cannot understand ${stat.slice(0, 60)}`);
  return ticks;
}

/** The second of schedstat's three figures, from nanoseconds. */
function parseRunDelay(schedstat: string): number {
  return Math.floor(Number(schedstat.split(' ')[1]) / 1000);
}

/** True when the very process of `identity` exists (it may be a zombie). */
export function isSameProcess(identity: ProcessIdentity): boolean {
  return readProcess(identity.pid)?.identity.startTicks === identity.startTicks;
}

/** Path of a process's cgroup v2, as `0::` says; null when it is gone. */
export function cgroupOf(pid: number): string | null {
  const text = unlessGone(() => readFileSync(`/proc/${pid}/cgroup`, 'utf8'));
  return text ? (/^0::(.*)$/m.exec(text)?.[1] ?? null) : null;
}

/** Whether the process is in the cgroup of that path or in one below, as threads sorted into groups are; `''` is none. */
export function isInCgroup(pid: number, path: string): boolean {
  const own = cgroupOf(pid);
  return path !== '' && own !== null && (own === path || own.startsWith(`${path}/`));
}

/** What the process was started with, its program first; empty when it is gone, a zombie, or not ours to read. */
export function argumentsOf(pid: number): string[] {
  const text = unlessGone(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '';
  return text.split('\0').slice(0, -1);
}

/** Before the hypervisor's pid in what helpers call themselves (QEMU's system/async-teardown.c, native/preload.ts). */
const helperNames = { qemu: 'cleanup/', preload: 'freemem/' } as const;

export function isTeardownHelper(name: string, kind: 'preload' | 'qemu'): boolean {
  return name.startsWith(helperNames[kind]);
}

/** The teardown helper of a hypervisor: the child that shares its memory. */
export function findTeardownHelper({ pid }: ProcessIdentity, kind: 'preload' | 'qemu'): ProcessIdentity | null {
  const children = unlessGone(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')) ?? '';
  for (const child of children
    .split(' ')
    .filter((word) => word !== '')
    .map(Number)) {
    const facts = readProcess(child);
    if (facts && isTeardownHelper(facts.name, kind)) return facts.identity;
  }
  return null;
}

/** The nameless memory files a live hypervisor keeps its guest's memory in, from its descriptors. */
export function findRamFiles(pid: number): RamFile[] {
  return openFiles(pid).flatMap(({ target, path }) => {
    const name = /^\/memfd:(.*) \(deleted\)$/.exec(target)?.[1];
    const stats = name === undefined ? null : unlessGone(() => statSync(path));
    return stats && name !== undefined ? [{ name, device: stats.dev, inode: stats.ino }] : [];
  });
}

/** A descriptor or mapping of a process. */
export interface OpenFile {
  /** What the link says, e.g. `/memfd:x (deleted)`. */
  readonly target: string;
  /** The link itself, which opens and stats the very file. */
  readonly path: string;
}

/** Descriptors of a process; empty when it is gone or not ours to read. */
export function openFiles(pid: number): OpenFile[] {
  return links(`/proc/${pid}/fd`);
}

/**
 * The files mapped into a process: of each, all links of map_files that lead to it. A file is mapped several times, and
 * maps tells all of them in one reading; to follow every link would keep the caller for milliseconds.
 */
export function mappedFiles(pid: number): string[][] {
  const maps = unlessGone(() => readFileSync(`/proc/${pid}/maps`, 'utf8')) ?? '';
  return parseMappedFiles(maps).map((ranges) => ranges.map((range) => `/proc/${pid}/map_files/${range}`));
}

/**
 * Ranges of addresses by the file they show, named as in map_files, where maps pads them with zeros (proc(5)). By its path,
 * too: of all subvolumes of a btrfs maps shows one device.
 */
export function parseMappedFiles(maps: string): string[][] {
  const files = new Map<string, string[]>();
  for (const [, start, end, file] of maps.matchAll(/^0*([0-9a-f]+)-0*([0-9a-f]+) \S+ \S+ (\S+ [1-9]\d*\b.*)$/gm)) {
    const range = `${start}-${end}`;
    const ranges = files.get(file ?? '');
    if (ranges) ranges.push(range);
    else files.set(file ?? '', [range]);
  }
  return [...files.values()];
}

/** Every process id there is now. */
export function allProcesses(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function links(directory: string): OpenFile[] {
  const names = unlessGone(() => readdirSync(directory)) ?? [];
  return names.flatMap((name) => {
    const path = `${directory}/${name}`;
    const target = unlessGone(() => readlinkSync(path));
    return target === null ? [] : [{ target, path }];
  });
}

/** A process may go (ENOENT, ESRCH) or be another user's (EACCES, EPERM) at any time: then there is nothing to tell. */
export function unlessGone<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return null;
    throw error;
  }
}
