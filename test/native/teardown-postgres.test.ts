/**
 * libasyncteardown.so in PostgreSQL, which will not start while anything of the last one is attached to its System V
 * segment: a helper that kept that attached would turn a quick exit into a refused start.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isErrno } from '../../lib/errors.ts';
import { childrenOf, helperOf, isGone, killUnlessGone, library, nameOf, preloading } from './preloading.ts';
import { afterwards, scratch, until } from './support.ts';

const user = { uid: 65534, gid: 65534 };
const postgres = findPostgres();

function findPostgres(): string | null {
  try {
    return execFileSync('sh', ['-c', 'realpath "$(command -v postgres)"'], { encoding: 'utf8' }).trim() || null;
  } catch {
    return null;
  }
}

interface Cluster {
  readonly postgres: string;
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
}

function makeCluster(program: string): Cluster {
  const directory = scratch();
  chownSync(directory, user.uid, user.gid);
  const copy = join(directory, 'libasyncteardown.so');
  copyFileSync(library, copy);
  execFileSync(join(dirname(program), 'initdb'), ['-D', join(directory, 'data'), '-U', 'test', '-N'], {
    ...user,
    cwd: '/',
    stdio: 'ignore',
  });
  mkdirSync(join(directory, 'sockets'));
  chownSync(join(directory, 'sockets'), user.uid, user.gid);
  // So slow that it is at its work for certain when the next one starts.
  const slowly = { ASYNC_TEARDOWN_MODE: 'gentle', ASYNC_TEARDOWN_RATE: '1M', LD_PRELOAD: copy };
  return { postgres: program, directory, environment: preloading(slowly, program) };
}

function start({ postgres: program, directory, environment }: Cluster): ChildProcess {
  const settings = [
    'listen_addresses=',
    `unix_socket_directories=${join(directory, 'sockets')}`,
    'shared_buffers=64MB',
  ];
  const argv = ['-D', join(directory, 'data'), ...settings.flatMap((setting) => ['-c', setting])];
  const child = spawn(program, argv, { ...user, cwd: '/', env: { LC_ALL: 'C', ...environment }, stdio: 'ignore' });
  afterwards(async () => {
    killWithChildren(child);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  return child;
}

/** None while there is no such file: the next one to start removes that of the last, at any moment. */
function pidFileLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

/** What it says of itself in its pid file; `ended`: it is gone. */
function wordOf(child: ChildProcess, { directory }: Cluster): string {
  if (child.exitCode !== null || child.signalCode !== null) return 'ended';
  const lines = pidFileLines(join(directory, 'data/postmaster.pid'));
  return lines[0] === String(child.pid) ? (lines[7] ?? '').trim() : '';
}

async function comesUp(child: ChildProcess, cluster: Cluster): Promise<string> {
  await until(() => ['ready', 'ended'].includes(wordOf(child, cluster)));
  return wordOf(child, cluster);
}

/** Not its helper. Gives who was killed. */
function killWithChildren({ pid }: ChildProcess): number[] {
  if (pid === undefined || isGone(pid)) return [];
  const all = [pid, ...childrenOf(pid).filter((child) => nameOf(child) !== `freemem/${pid}`)];
  for (const each of all) killUnlessGone(each);
  return all;
}

function body(program: string): void {
  it('starts again at once after SIGKILL, while the helper of the last one is still at its work', async () => {
    const cluster = makeCluster(program);
    const first = start(cluster);
    expect(await comesUp(first, cluster)).toBe('ready');
    const helper = helperOf(first.pid ?? 0) ?? 0;
    expect(isGone(helper)).toBe(false);
    const killed = killWithChildren(first);
    await until(() => killed.every(isGone));
    const second = start(cluster);
    expect(await comesUp(second, cluster)).toBe('ready');
    killUnlessGone(helper);
    await until(() => isGone(helper));
  });
}

const missing =
  postgres === null ? 'PostgreSQL is not installed' : process.getuid?.() === 0 ? null : 'needs root to change user';
if (postgres !== null && missing === null) describe('PostgreSQL, preloaded', () => body(postgres));
else describe.skip(`PostgreSQL, preloaded (skipped: ${missing})`, () => body(''));
