/** What the tests of native/ share: scratch directories, cgroups of their own, and real programs that end with the test. */
import { execFile, execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe } from 'vitest';
import { isErrno } from '../../lib/errors.ts';
import {
  closeFd,
  type ExitStatus,
  pidfdExited,
  pidfdSignal,
  type Spawned,
  type SpawnRequest,
  spawn,
  watchPidfd,
} from '../../native/index.ts';

export const addonPath = realpathSync('native/build/Release/domctl_native.node');

export function describeAsRoot(name: string, body: () => void): void {
  if (process.getuid?.() === 0) describe(name, body);
  else describe.skip(`${name} (skipped: needs root to make cgroups and change user)`, body);
}

const undo: (() => unknown)[] = [];

/** Runs at the end of the test, last registered first. */
export function afterwards(action: () => unknown): void {
  undo.push(action);
}

afterEach(async () => {
  for (let action = undo.pop(); action !== undefined; action = undo.pop()) await action();
});

/** A directory anyone may enter. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'domctl-native-'));
  chmodSync(directory, 0o755);
  afterwards(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** An open descriptor for the length of the test. */
export function opened(path: string, flags: number = constants.O_RDONLY): number {
  const fd = openSync(path, flags, 0o644);
  afterwards(() => closeSync(fd));
  return fd;
}

/** A pipe with a name, opened both ways so that neither open nor end of file comes into play. */
export function openedFifo(directory: string, name: string): number {
  const path = join(directory, name);
  execFileSync('mkfifo', [path]);
  return opened(path, constants.O_RDWR);
}

/** A descriptor number far above any that is open. */
export const closedFd = 1_000_000;

export function caughtOrNull(action: () => unknown): unknown {
  try {
    action();
    return null;
  } catch (error) {
    return error;
  }
}

export function caught(action: () => unknown): unknown {
  const error = caughtOrNull(action);
  if (error === null) throw new Error('nothing was thrown');
  return error;
}

const unified = existsSync('/sys/fs/cgroup/cgroup.controllers') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/unified';
const memory = '/sys/fs/cgroup/memory';
export const isHybrid = unified !== '/sys/fs/cgroup' && existsSync(join(memory, 'cgroup.procs'));

let cgroups = 0;

/** A fresh v2 cgroup (and its v1 memory twin on a hybrid host) that is emptied and removed at the end of the test. */
export function freshCgroup(): { name: string; path: string; fd: number; twin: string } {
  const name = `domctl-test-native-${process.pid}-${cgroups++}`;
  const [path, twin] = [join(unified, name), join(memory, name)];
  for (const directory of isHybrid ? [path, twin] : [path]) {
    mkdirSync(directory);
    afterwards(() => until(() => isRemoved(directory)));
  }
  afterwards(() => existsSync(path) && writeFileSync(join(path, 'cgroup.kill'), '1'));
  return { name, path, fd: opened(path, constants.O_RDONLY | constants.O_DIRECTORY), twin };
}

/** rmdir says EBUSY until the last killed process is gone. */
function isRemoved(path: string): boolean {
  try {
    if (existsSync(path)) rmdirSync(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'EBUSY')) return false;
    throw error;
  }
}

/** Like spawn, with /dev/null as stdio, the same user and a cgroup of its own where the test does not say otherwise. */
export function start(wanted: Partial<SpawnRequest> & { argv: readonly string[] }): Spawned {
  const nothing = opened('/dev/null', constants.O_RDWR);
  const child = spawn({
    file: wanted.argv[0] ?? '',
    env: {},
    cwd: '/',
    stdin: nothing,
    stdout: nothing,
    stderr: nothing,
    extraFds: [],
    cgroupFd: wanted.cgroupFd ?? freshCgroup().fd,
    joinFds: [],
    credentials: null,
    rlimits: [],
    ...wanted,
  });
  afterwards(() => end(child.pidfd));
  return child;
}

async function end(pidfd: number): Promise<void> {
  if (!pidfdExited(pidfd)) pidfdSignal(pidfd, 9);
  await exit(pidfd);
  closeFd(pidfd);
}

export function exit(pidfd: number): Promise<ExitStatus> {
  return new Promise((resolve) => {
    watchPidfd(pidfd, resolve);
  });
}

/** Runs a program to its end and returns what it wrote to stdout. */
export async function outputOf(wanted: Partial<SpawnRequest> & { argv: readonly string[] }): Promise<string> {
  const path = join(scratch(), 'out');
  const stdout = opened(path, constants.O_CREAT | constants.O_RDWR);
  const status = await exit(start({ stdout, ...wanted }).pidfd);
  const text = readFileSync(path, 'utf8');
  if (status.code !== 0) throw new Error(`ended with ${JSON.stringify(status)}: ${text}`);
  return text;
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}

/** The fields after the name in /proc/PID/stat, from the state on; null when there is no such process. */
export function statOf(pid: number): string[] | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /su, '').split(' ');
  } catch {
    return null;
  }
}

/** Our children that ended and were not waited for. */
export function zombies(): number[] {
  const all = readdirSync('/proc')
    .filter((entry) => /^\d+$/u.test(entry))
    .map(Number);
  return all.filter((pid) => {
    const [state, parent] = statOf(pid) ?? [];
    return state === 'Z' && Number(parent) === process.pid;
  });
}

export function countOpenFds(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Runs a script in a Node of its own, which has the addon as `addon`; for what would end or change this one. */
export async function inNode(script: string, ...args: string[]): Promise<string> {
  const whole = `const addon = require(${JSON.stringify(addonPath)});\n${script}`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', '-e', whole, ...args]);
  return stdout.trim();
}
