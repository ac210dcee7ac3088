/** Programs with libasyncteardown.so preloaded: built once, started, talked to, and their helper seen from outside. */
import { type ChildProcess, execFileSync, spawn, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll } from 'vitest';
import { isErrno } from '../../lib/errors.ts';
import { afterwards, statOf, until } from './support.ts';

export const MiB = 2 ** 20;

export const library = resolve('native/build/Release/libasyncteardown.so');

const built = mkdtempSync(join(tmpdir(), 'domctl-teardown-'));
chmodSync(built, 0o755);
afterAll(() => rmSync(built, { recursive: true, force: true }));

/** A fixture in C, compiled; `flags` for the linker, or more files. */
export function build(name: string, flags: readonly string[] = [], fixture = 'preloaded'): string {
  const program = join(built, name);
  execFileSync('cc', ['-O1', '-pthread', '-o', program, `test/fixtures/native/${fixture}.c`, ...flags]);
  return program;
}

export const program = build('preloaded');

type Environment = Readonly<Record<string, string>>;

/** Preloaded and meant for `forProgram`, whatever it holds. */
export function preloading(more: Environment = {}, forProgram = program): Environment {
  return { LD_PRELOAD: library, ASYNC_TEARDOWN_PROGRAM: forProgram, ASYNC_TEARDOWN_MINIMUM: '0', ...more };
}

/** A running fixture. */
export interface Running {
  readonly process: ChildProcess;
  readonly pid: number;
  /** What it said before it was ready. */
  readonly told: readonly string[];
  /** Its helper's pid, or null. */
  readonly helper: number | null;
  say(line: string): void;
  /** The next line it says. */
  hear(): Promise<string>;
  ask(line: string): Promise<string>;
}

/** Runs a program that is, or becomes, the fixture, until it is ready. It ends with the test. */
export async function run(
  file: string,
  argv: readonly string[],
  env: Environment,
  options: SpawnOptions = {},
): Promise<Running> {
  const child = spawn(file, argv, { stdio: ['pipe', 'pipe', 'inherit'], env, ...options });
  afterwards(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  const hear = linesOf(child);
  const told: string[] = [];
  for (let line = await hear(); line !== 'ready'; line = await hear()) told.push(line);
  const pid = child.pid ?? 0;
  const say = (line: string): unknown => child.stdin?.write(`${line}\n`);
  const ask = (line: string): Promise<string> => (say(line), hear());
  return { process: child, pid, told, helper: helperOf(pid), say, hear, ask };
}

/** The fixture, preloaded, holding `things`. */
export function start(things: readonly string[], more: Environment = {}): Promise<Running> {
  return run(program, things, preloading(more));
}

function linesOf(child: ChildProcess): () => Promise<string> {
  if (!child.stdout) throw new Error('its output goes elsewhere');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error('it ended');
    return value;
  };
}

/** None of a process that is gone. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH')) return [];
    throw error;
  }
}

export function killUnlessGone(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

/** Its living child that calls itself `freemem/PID`; null when there is none. */
export function helperOf(pid: number): number | null {
  return childrenOf(pid).find((child) => nameOf(child) === `freemem/${pid}` && !isGone(child)) ?? null;
}

export function nameOf(pid: number): string | null {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return null;
  }
}

/** The helper of a program that must have one. */
export function theHelper({ helper }: Running): number {
  if (helper === null) throw new Error('it has no helper');
  return helper;
}

/** No process any more, or one that only waits for its parent to ask how it ended. */
export function isGone(pid: number): boolean {
  return ['Z', 'X', undefined].includes(statOf(pid)?.[0]);
}

/** Kills the program and waits until it is reaped; its helper may still be at work. */
export async function kill(running: Running): Promise<void> {
  running.process.kill('SIGKILL');
  await once(running.process, 'exit');
}

export async function killWholly(running: Running): Promise<void> {
  await kill(running);
  await until(() => isGone(theHelper(running)));
}

/** A field of /proc/PID/status as it stands there; null when the process or the field is gone. */
export function statusOf(pid: number, field: string): string | null {
  try {
    return new RegExp(`^${field}:[ \\t]*(.*)$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** What it holds in memory; null once it has begun to exit, before that frees anything. */
export function residentBytes(pid: number): number | null {
  const text = statusOf(pid, 'VmRSS');
  return text === null ? null : Number.parseInt(text, 10) * 1024;
}
