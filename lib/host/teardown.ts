/**
 * The preloaded teardown helper: which library, with what it is told (native/teardown/README.md), whether an emulator
 * takes it, and whether a running one is in its sandbox.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
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
  const settings = { ...rule, program: emulator, minimumSizeBytes: leastBytes };
  return preloadEnvironment(`/proc/self/fd/${libraryFd}`, settings);
}

/** Whether the helper has no way to the kernel but its few calls: its seccomp filter is on, and stays on. */
export function isSandboxed({ pid }: ProcessIdentity): boolean {
  const status = unlessGone(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '';
  return /^Seccomp:\t2$/m.test(status) && /^NoNewPrivs:\t1$/m.test(status);
}

export interface PreloadTrial {
  readonly emulator: string;
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
  if (library === null || whyNotPreloadable(trial.emulator, library) !== null) return false;
  const files = [trial.emulator, library];
  const identities = await Promise.all(files.map(async (file) => stat(file, { bigint: true })));
  const key = JSON.stringify([trial, identities.map((each) => `${each.dev} ${each.ino} ${each.mtimeNs}`)]);
  const known = answers.get(key);
  if (known) return known;
  const asked = tryPreload(trial);
  answers.set(key, asked);
  asked.catch(() => answers.delete(key));
  return asked;
}

const idle = ['-S', '-nodefaults', '-no-user-config', '-machine', 'none', '-display', 'none', '-qmp', 'stdio'];
const libraryFd = 3;
const rule: TeardownRule = { mode: 'fast', threads: 1, gentleRateBytes: 1024 ** 3, preferredOomVictim: true };

async function firstWord(output: Readable | null): Promise<unknown> {
  return output && once(output, 'data');
}

/** It has a helper, if ever, before it says its first word. */
async function tryPreload({ emulator, user, deadlineMs }: PreloadTrial): Promise<boolean> {
  await using library = await openLibrary();
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C', ...teardownEnvironment(emulator, libraryFd, rule) };
  const child = spawn(emulator, idle, {
    env,
    cwd: '/',
    // Its monitor hangs up, and it ends, when its input does.
    stdio: ['pipe', 'pipe', 'ignore', library.fd],
    ...user,
  });
  const ended = once(child, 'close').catch(() => null);
  const late = new AbortController();
  let helperFd: number | null = null;
  try {
    await Promise.race([firstWord(child.stdout), ended, sleep(deadlineMs, null, { signal: late.signal })]);
    const helper = child.pid === undefined ? null : findTeardownHelper({ pid: child.pid, startTicks: 0 }, 'preload');
    if (!helper) return false;
    helperFd = pidfdOpen(helper.pid);
    return isSandboxed(helper);
  } finally {
    late.abort();
    child.kill('SIGKILL');
    await ended;
    if (helperFd !== null) await reap(helperFd);
  }
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
