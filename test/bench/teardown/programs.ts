/** Programs that have nothing to do with domctl, with the library preloaded and without. */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, openSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { CgroupRoot, readHierarchy } from '../../../cgroups/hierarchy.ts';
import { closeFd, pidfdSignal, spawn, type Spawned, watchPidfd } from '../../../native/index.ts';
import { findPreloadLibrary } from '../../../native/preload.ts';
import { nowMs, until } from './contender.ts';
import { atEnd, goOn } from './ending.ts';
import { nobody } from './guest.ts';
import { GiB, useThp } from './machine.ts';
import type { ProgramResults, ProgramRun } from './program-report.ts';
import type { Settings } from './run.ts';
import { backMs, compile, watch } from './watch.ts';

interface Place {
  readonly root: CgroupRoot;
  readonly scratch: string;
  readonly stopwatch: string;
}

export async function benchPrograms({ scratch, quick }: Settings): Promise<ProgramResults> {
  const root = await CgroupRoot.open(readHierarchy(), `/domctl-bench-programs-${process.pid}`);
  await root.makeBranch();
  atEnd(async () => root.at().removeIfEmpty());
  useThp('never');
  const place = { root, scratch, stopwatch: compile('stopwatch', scratch) };
  const results = { runs: [] as ProgramRun[], postgresMs: [] as (number | null)[], notMeasured: [] as string[] };
  const redis = find('redis-server');
  for (let round = 0; redis !== null && round < (quick ? 1 : 3); round += 1)
    for (const preloaded of [round % 2 === 0, round % 2 !== 0])
      results.runs.push(await measureRedis({ ...place, redis, preloaded, gib: quick ? 1 : 8 }));
  if (redis === null) results.notMeasured.push('redis-server: it is not installed');
  const postgres = find('postgres');
  if (postgres === null) results.notMeasured.push('PostgreSQL: it is not installed');
  else results.postgresMs.push(...(await restartPostgres(place, realpathSync(postgres), quick ? 2 : 10)));
  return results;
}

function find(program: string): string | null {
  try {
    return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim() || null;
  } catch {
    return null;
  }
}

type Environment = Readonly<Record<string, string>>;

function preloading(program: string, more: Environment = {}): Environment {
  return { LD_PRELOAD: findPreloadLibrary() ?? '', ASYNC_TEARDOWN_PROGRAM: program, ...more };
}

interface Running extends Spawned {
  readonly ended: Promise<void>;
  remove(): Promise<void>;
}

let started = 0;

/** As nobody, in a cgroup of its own, which goes once all in it is gone. */
async function run({ root, scratch }: Place, argv: readonly string[], env: Environment): Promise<Running> {
  goOn();
  started += 1;
  const cgroup = root.at(`program-${started}`);
  await cgroup.create();
  const birth = await cgroup.openBirthPlace();
  const quiet = openSync('/dev/null', 'r+');
  const log = openSync(join(scratch, 'programs.log'), 'a');
  const spawned = spawn({
    file: argv[0]!,
    argv,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', ...env },
    cwd: '/',
    stdin: quiet,
    stdout: log,
    stderr: log,
    extraFds: [],
    cgroupFd: birth.cgroupFd,
    joinFds: birth.joinFds,
    credentials: { uid: nobody, gid: nobody, groups: [] },
    rlimits: [],
  });
  await birth.close();
  closeFd(quiet);
  closeFd(log);
  const ended = new Promise<void>((resolve) => void watchPidfd(spawned.pidfd, () => resolve()));
  const remove = async (): Promise<void> => {
    await until(
      'its cgroup is empty',
      async () =>
        cgroup.remove().then(
          () => true,
          () => false,
        ),
      20,
    );
  };
  atEnd(async () => {
    if (cgroup.exists().known && cgroup.populated().known) await cgroup.kill().then(remove, () => undefined);
  });
  return { ...spawned, ended, remove };
}

async function measureRedis(place: Place & { redis: string; preloaded: boolean; gib: number }): Promise<ProgramRun> {
  const { redis, preloaded, gib, scratch } = place;
  const socket = join(ownedDirectory(scratch, 'redis'), 'socket');
  rmSync(socket, { force: true });
  const settings = ['--port', '0', '--unixsocket', socket, '--save', '', '--enable-debug-command', 'yes'];
  const running = await run(place, [redis, ...settings], preloaded ? preloading('redis-server') : {});
  const cli = (...words: string[]): string => execFileSync('redis-cli', ['-s', socket, ...words], { encoding: 'utf8' });
  await until('redis-server listens', () => existsSync(socket));
  const mebibyte = 2 ** 20;
  cli('DEBUG', 'POPULATE', String((gib * GiB) / mebibyte), 'key', String(mebibyte));
  const guest = { gib, pages: '4k', touched: true } as const;
  const see = await watch(place.stopwatch, { pid: running.pid, image: '-' }, guest);
  const began = nowMs();
  pidfdSignal(running.pidfd, constants.signals.SIGKILL);
  await running.ended;
  const sight = await see();
  await running.remove();
  const figures = { exitMs: sight.goneMs - began, backMs: backMs(sight, guest) - began };
  process.stderr.write(`redis ${preloaded ? 'preloaded' : 'plain'}: ${JSON.stringify(figures)}\n`);
  return { program: 'redis-server', preloaded, gib, ...figures };
}

function ownedDirectory(scratch: string, name: string): string {
  const directory = join(scratch, name);
  if (!existsSync(directory)) mkdirSync(directory);
  chownSync(directory, nobody, nobody);
  return directory;
}

/** Its postmaster and all its children are killed, and it is started again before their memory is back. */
async function restartPostgres(place: Place, postgres: string, times: number): Promise<(number | null)[]> {
  const home = ownedDirectory(place.scratch, 'postgres');
  const data = join(home, 'data');
  const initdb = join(postgres, '../initdb');
  execFileSync('setpriv', ['--reuid=65534', '--regid=65534', '--clear-groups', initdb, '-D', data, '-U', 'bench'], {
    stdio: 'ignore',
    cwd: '/',
  });
  const settings = ['-c', 'listen_addresses=', '-c', `unix_socket_directories=${home}`, '-c', 'shared_buffers=256MB'];
  // Slow and with no least size, so that the helper is at its work for certain when the next one starts.
  const env = preloading(postgres, {
    ASYNC_TEARDOWN_MINIMUM: '0',
    ASYNC_TEARDOWN_MODE: 'gentle',
    ASYNC_TEARDOWN_RATE: '1M',
  });
  const start = async (): Promise<Running> => run(place, [postgres, '-D', data, ...settings], env);
  const answers: (number | null)[] = [];
  let current = await start();
  await comesUp(current, data);
  for (let round = 0; round < times; round += 1) {
    const dead = current;
    const children = childrenOf(dead.pid).filter((pid) => !nameOf(pid).startsWith('freemem/'));
    for (const pid of [dead.pid, ...children]) process.kill(pid, 'SIGKILL');
    await dead.ended;
    await until(
      'its children are gone',
      () => children.every((pid) => !existsSync(`/proc/${pid}/exe`) || nameOf(pid) === ''),
      1,
    );
    const began = nowMs();
    current = await start();
    answers.push((await comesUp(current, data)) ? nowMs() - began : null);
    process.stderr.write(`postgres: ${answers.at(-1)}\n`);
  }
  return answers;
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

function nameOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** False when it ends instead. Its pid file says `ready` and is its own. */
async function comesUp(postgres: Running, data: string): Promise<boolean> {
  let ended = false;
  void postgres.ended.then(() => (ended = true));
  const isReady = (): boolean => {
    const file = join(data, 'postmaster.pid');
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    return lines[0] === String(postgres.pid) && lines[7]?.trim() === 'ready';
  };
  await until('PostgreSQL is ready, or has ended', () => ended || isReady(), 2);
  return !ended;
}
