/**
 * The preloaded teardown helper: which library, with what it is told (native/teardown/README.md), whether an emulator
 * takes it, and whether a running one is in its sandbox.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProcessIdentity } from '../domain/incarnation.ts';
import { DomctlError } from '../errors.ts';
import { closeFd, pidfdOpen, watchPidfd } from '../../native/index.ts';
import {
  findPreloadLibrary,
  preloadEnvironment,
  type PreloadSettings,
  whyNotPreloadable,
} from '../../native/preload.ts';
import { findTeardownHelper, unlessGone } from './processes.ts';

/** How memory is given back; the policy's. */
export type TeardownRule = Pick<PreloadSettings, 'mode' | 'threads' | 'gentleRateBytes' | 'preferredOomVictim'>;

/** Less than this is gone before a second thread has begun. */
const leastBytes = 128 * 1024 ** 2;

/** The library, opened for a program that is about to be born: an installation that its user cannot reach is no hindrance. */
export async function openLibrary(): Promise<FileHandle> {
  const path = findPreloadLibrary();
  if (path === null)
    throw new DomctlError('HOST_LACKS', 'libasyncteardown.so is missing', {
      hint: 'build it: npx node-gyp rebuild --directory native',
    });
  return open(path, 'r');
}

/** What the emulator is born with so that it loads the library from its descriptor `libraryFd`, which that closes. */
export function teardownEnvironment(emulator: string, libraryFd: number, rule: TeardownRule): Record<string, string> {
  const program = isScript(emulator) ? basename(emulator) : emulator;
  const settings = { ...rule, program, minimumSizeBytes: leastBytes };
  return preloadEnvironment(`/proc/self/fd/${libraryFd}`, settings);
}

/** A script that executes the emulator of the same name somewhere else, as distributions and operators have them. */
function isScript(emulator: string): boolean {
  const file = openSync(emulator, 'r');
  try {
    const start = Buffer.alloc(2);
    readSync(file, start, 0, 2, 0);
    return start.toString() === '#!';
  } finally {
    closeSync(file);
  }
}

/** Whether the helper has no way to the kernel but its few calls: its seccomp filter is on, and stays on. */
export function isSandboxed({ pid }: ProcessIdentity): boolean {
  const status = unlessGone(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '';
  return /^Seccomp:\t2$/m.test(status) && /^NoNewPrivs:\t1$/m.test(status);
}

export interface PreloadTrial {
  readonly emulator: string;
  /** Runs it idle, with a monitor on its standard input and output, and ends it again. */
  readonly idle: { readonly args: readonly string[]; readonly farewell: string };
  /** null: our own. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
  readonly deadlineMs: number;
}

const answers = new Map<string, Promise<boolean>>();

/**
 * Whether this emulator, run by this user, gets a helper: tried, once for each build of emulator and library. A static or
 * a foreign program does not load it, a privileged one must not.
 */
export async function takesPreload(trial: PreloadTrial): Promise<boolean> {
  const library = findPreloadLibrary();
  if (library === null) return false;
  const files = [trial.emulator, library];
  const identities = await Promise.all(files.map(async (file) => stat(file, { bigint: true })));
  const key = JSON.stringify([trial, identities.map((each) => `${each.dev} ${each.ino} ${each.mtimeNs}`)]);
  const known = answers.get(key);
  if (known) return known;
  const asked = mayTake(trial.emulator, library) ? tryPreload(trial) : Promise.resolve(false);
  answers.set(key, asked);
  asked.catch(() => answers.delete(key));
  return asked;
}

/** What the file says; of a script it says nothing. */
function mayTake(emulator: string, library: string): boolean {
  return isScript(emulator) || whyNotPreloadable(emulator, library) === null;
}

const libraryFd = 3;
const rule: TeardownRule = { mode: 'fast', threads: 1, gentleRateBytes: 1024 ** 3, preferredOomVictim: true };

async function firstWord(output: Readable | null): Promise<unknown> {
  return output && once(output, 'data');
}

const lookAgainMs = 10;
const farewellMs = 5000;

/** It has a helper, if ever, before its own first instruction, and thus before it says a word. */
async function tryPreload({ emulator, idle, user, deadlineMs }: PreloadTrial): Promise<boolean> {
  await using library = await openLibrary();
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...teardownEnvironment(emulator, libraryFd, rule) };
  const child = spawn(emulator, idle.args, { env, cwd: '/', stdio: ['pipe', 'pipe', 'ignore', library.fd], ...user });
  const spoken = new AbortController();
  const ended = once(child, 'close').catch(() => null);
  void Promise.race([firstWord(child.stdout), ended]).finally(() => {
    spoken.abort();
  });
  const helper = await awaitHelper(child.pid, performance.now() + deadlineMs, spoken.signal);
  await dismiss(child, idle.farewell, ended);
  if (helper !== null) await reap(helper);
  return helper !== null;
}

/** A pidfd of the helper, in its sandbox; null when the program has spoken, or its time is up, and there is none. */
async function awaitHelper(pid: number | undefined, untilMs: number, spoken: AbortSignal): Promise<number | null> {
  if (pid === undefined) return null;
  for (;;) {
    const isLast = spoken.aborted || performance.now() > untilMs;
    const helper = findTeardownHelper({ pid, startTicks: 0 }, 'preload');
    if (helper && isSandboxed(helper)) return unlessGone(() => pidfdOpen(helper.pid));
    if (isLast) return null;
    await sleep(lookAgainMs);
  }
}

/** Told to quit, so that an emulator behind a script ends too; killed if it does not. */
async function dismiss(child: ChildProcess, farewell: string, ended: Promise<unknown>): Promise<void> {
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(farewell);
  const inTime = new AbortController();
  const late = sleep(farewellMs, null, { signal: inTime.signal }).then(
    () => {
      child.kill('SIGKILL');
      child.stdout?.destroy();
    },
    () => undefined,
  );
  await ended;
  inTime.abort();
  await late;
}

/** It became our child with its program's end, where we are a subreaper. */
async function reap(pidfd: number): Promise<void> {
  await new Promise<void>((resolve) => {
    watchPidfd(pidfd, () => {
      resolve();
    });
  });
  closeFd(pidfd);
}
