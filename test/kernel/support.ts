/** What the tests on the real kernel share: a cgroup root of their own, programs born in it or beside it, and their end. */
import { execFileSync, spawn as spawnNode } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, type TestContext } from 'vitest';
import type { Cgroup } from '../../cgroups/cgroup.ts';
import { CgroupRoot, type Hierarchy, readHierarchy } from '../../cgroups/hierarchy.ts';
import { isErrno } from '../../lib/errors.ts';
import { closeFd, type ExitStatus, pidfdExited, pidfdSignal, spawn, watchPidfd } from '../../native/index.ts';
import { patient } from '../setup/slowness.ts';

export const MiB = 2 ** 20;

const undo: (() => unknown)[] = [];

/** Runs at the end of the test, last registered first, also when the test failed; a failure does not stop the others. */
export function afterwards(action: () => unknown): void {
  undo.push(action);
}

afterEach(async () => {
  const failures: unknown[] = [];
  for (let action = undo.pop(); action !== undefined; action = undo.pop()) {
    try {
      await action();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'the test left something behind');
});

/** Reads again until `isThere`; fails after `deadlineMs`, naming what was awaited. */
export async function eventually(what: string, isThere: () => boolean, deadlineMs = 10_000): Promise<void> {
  const end = performance.now() + patient(deadlineMs);
  while (!isThere()) {
    if (performance.now() > end) throw new Error(`not within ${patient(deadlineMs)} ms: ${what}`);
    await pause(2);
  }
}

/** The hierarchy of this host, or the test is skipped with the reason. */
function hierarchyOrSkip(context: TestContext): Hierarchy {
  if (process.getuid?.() !== 0) context.skip('needs root to make cgroups');
  try {
    return readHierarchy();
  } catch (error) {
    return context.skip(error instanceof Error ? error.message : String(error));
  }
}

let roots = 0;

/** A cgroup root of this test alone; whatever is in it at the end is killed and removed. */
export async function freshRoot(context: TestContext): Promise<CgroupRoot> {
  roots += 1;
  const path = `/domctl-test-kernel-${process.pid}-${roots}`;
  const hierarchy = hierarchyOrSkip(context);
  afterwards(async () => {
    const directories = [
      join(hierarchy.mount.mountPoint, path),
      ...(hierarchy.kind === 'hybrid' ? [join(hierarchy.memory.mountPoint, path)] : []),
    ];
    for (const directory of directories) await eventually(`${directory} is removed`, () => isRemoved(directory));
  });
  return CgroupRoot.open(hierarchy, path);
}

/** Kills what is inside and removes the tree from its leaves; rmdir says EBUSY until the last process is gone. */
function isRemoved(directory: string): boolean {
  if (!exists(directory)) return true;
  try {
    execFileSync('find', [directory, '-depth', '-type', 'd', '-delete'], { stdio: 'pipe' });
  } catch {
    for (const pid of pidsBelow(directory)) process.kill(pid, 'SIGKILL');
  }
  return !exists(directory);
}

/** Processes of a cgroup of ours: only what a test put there can be inside. */
function pidsBelow(directory: string): number[] {
  const text = execFileSync('find', [directory, '-name', 'cgroup.procs', '-exec', 'cat', '{}', ';'], {
    stdio: 'pipe',
  }).toString();
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

export function exists(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** A made cgroup below a root of its own. */
export async function freshCgroup(context: TestContext): Promise<Cgroup> {
  const cgroup = (await freshRoot(context)).at('7');
  await cgroup.create();
  return cgroup;
}

export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'domctl-kernel-'));
  afterwards(() => {
    rmSync(directory, { recursive: true });
  });
  return directory;
}

/** A program for the length of the test. */
export interface Program {
  readonly pid: number;
  /** A line on its stdin. */
  say(line: string): void;
  /** Resolves when it has said the line. */
  heard(line: string): Promise<void>;
  /** Its end, by its stdin ending, by SIGKILL, or however it ends. */
  readonly ended: Promise<ExitStatus>;
  kill(): void;
}

/** The interpreter itself; what the PATH leads to may be a script around it. */
export const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)']).toString().trim();

export function fixture(path: string): string {
  return new URL(`../fixtures/${path}`, import.meta.url).pathname;
}

/** A program born in `cgroup` by native.spawn, as a hypervisor is. */
export async function born(cgroup: Cgroup, ...argv: readonly string[]): Promise<Program> {
  const directory = scratch();
  const [input, output] = [join(directory, 'in'), join(directory, 'out')];
  execFileSync('mkfifo', [input]);
  const stdin = opened(input, constants.O_RDWR);
  const stdout = opened(output, constants.O_CREAT | constants.O_RDWR);
  const place = await cgroup.openBirthPlace();
  try {
    const { pid, pidfd } = spawn({
      file: argv[0] ?? '',
      argv,
      env: {},
      cwd: '/',
      stdin,
      stdout,
      stderr: 2,
      extraFds: [],
      cgroupFd: place.cgroupFd,
      joinFds: place.joinFds,
      credentials: null,
      rlimits: [],
    });
    const ended = new Promise<ExitStatus>((resolve) => {
      watchPidfd(pidfd, resolve);
    });
    const kill = (): void => {
      if (!pidfdExited(pidfd)) pidfdSignal(pidfd, 9);
    };
    afterwards(async () => {
      kill();
      await ended;
      closeFd(pidfd);
    });
    return {
      pid,
      ended,
      kill,
      say: (line) => void writeSync(stdin, `${line}\n`),
      heard: async (line) =>
        eventually(`pid ${pid} says ${line}`, () => readFileSync(output, 'utf8').split('\n').includes(line)),
    };
  } finally {
    await place.close();
  }
}

function opened(path: string, flags: number): number {
  const fd = openSync(path, flags, 0o600);
  afterwards(() => {
    closeSync(fd);
  });
  return fd;
}

/** A python program in our own cgroup: somebody outside. */
export async function outside(...argv: readonly string[]): Promise<Program> {
  const child = spawnNode(python, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal === null ? null : 9,
  }));
  afterwards(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let said = '';
  child.stdout.on('data', (data) => {
    said += String(data);
  });
  return {
    pid: child.pid ?? 0,
    ended,
    kill: () => void child.kill('SIGKILL'),
    say: (line) => void child.stdin.write(`${line}\n`),
    heard: async (line) => eventually(`${argv.join(' ')} says ${line}`, () => said.split('\n').includes(line)),
  };
}

/** Someone who holds memory inside `cgroup`, all of it touched. */
export async function memoryHolder(cgroup: Cgroup, ...argv: readonly string[]): Promise<Program> {
  const program = await born(cgroup, python, fixture('kernel/hold_memory.py'), ...argv);
  await program.heard('ready');
  return program;
}

/** Someone outside who keeps files open or mapped. */
export async function outsideHolder(how: 'open' | 'map', ...paths: readonly string[]): Promise<Program> {
  const program = await outside(fixture('kernel/keep_open.py'), how, ...paths);
  await program.heard('ready');
  return program;
}

/** Whether a file written here lands in page cache on a disk, and not in memory. */
export function isOnTmpfs(directory: string): boolean {
  return execFileSync('stat', ['-f', '-c', '%T', directory]).toString().trim() === 'tmpfs';
}
