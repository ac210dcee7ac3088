/** Programs that hold as much memory as they are told to, filled through their own clients. */
import { execFileSync } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './contender.ts';
import { GiB } from '../machine.ts';
import { type Environment, ownedDirectory, type Place, run, type Running } from './program-birth.ts';

interface Filling {
  readonly file: string;
  readonly gib: number;
  readonly env: Environment;
}

export interface MemoryProgram {
  readonly name: string;
  /** How often it is measured, with and without. */
  readonly times: number;
  /** Starts it; resolves once it holds that much. */
  fill(place: Place, filling: Filling): Promise<Running>;
}

export const memoryPrograms: readonly MemoryProgram[] = [
  { name: 'redis-server', times: 15, fill: fillRedis },
  // To fill it takes a minute.
  { name: 'mariadbd', times: 3, fill: fillMariadb },
];

async function fillRedis(place: Place, { file, gib, env }: Filling): Promise<Running> {
  const socket = join(ownedDirectory(place.scratch, 'redis'), 'socket');
  rmSync(socket, { force: true });
  const settings = ['--port', '0', '--unixsocket', socket, '--save', '', '--enable-debug-command', 'yes'];
  const running = await run(place, [file, ...settings], env);
  await until('redis-server listens', () => existsSync(socket));
  const mebibyte = 2 ** 20;
  const populate = ['DEBUG', 'POPULATE', String((gib * GiB) / mebibyte), 'key', String(mebibyte)];
  execFileSync('redis-cli', ['-s', socket, ...populate]);
  return running;
}

/** Of a table in memory each row takes all its bytes, whatever it says. */
const columns = ['a', 'b', 'c', 'd'];
const columnBytes = 16_000;

async function fillMariadb(place: Place, { file, gib, env }: Filling): Promise<Running> {
  const data = join(ownedDirectory(place.scratch, 'mariadb'), 'data');
  rmSync(data, { force: true, recursive: true });
  ownedDirectory(join(place.scratch, 'mariadb'), 'data');
  const socket = join(data, 'socket');
  const settings = [`--datadir=${data}`, `--socket=${socket}`, `--pid-file=${data}/pid`, `--tmpdir=${data}`];
  const modest = ['--no-defaults', '--skip-grant-tables', '--skip-networking', '--innodb=OFF'];
  const running = await run(place, [file, ...modest, ...settings, '--default-storage-engine=Aria'], env);
  const ask = (sql: string): void =>
    void execFileSync('mariadb', ['--no-defaults', '-S', socket, '-e', sql], { stdio: 'pipe' });
  await until('mariadbd answers', () => succeeds(() => ask('SELECT 1')), 100);
  const rows = Math.ceil((gib * GiB) / (columns.length * columnBytes));
  const definition = columns.map((name) => `${name} VARCHAR(${columnBytes}) CHARACTER SET latin1`).join(', ');
  const values = columns.map(() => `REPEAT('x', ${columnBytes})`).join(', ');
  ask(`SET GLOBAL max_heap_table_size = ${2 * gib * GiB}; CREATE DATABASE IF NOT EXISTS bench`);
  ask(
    `USE bench; CREATE TABLE bench.held (${definition}) ENGINE=MEMORY MAX_ROWS=${rows}; INSERT INTO bench.held SELECT ${values} FROM seq_1_to_${rows}`,
  );
  return running;
}

function succeeds(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}
