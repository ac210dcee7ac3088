/** PostgreSQL, killed with all its children and started again at once: no memory of the dead one may keep it from that. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nowMs, until } from './contender.ts';
import { ownedDirectory, type Place, preloading, run, type Running } from './program-birth.ts';

/** Its postmaster and all its children are killed, and it is started again before their memory is back. */
export async function restartPostgres(place: Place, postgres: string, times: number): Promise<(number | null)[]> {
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
