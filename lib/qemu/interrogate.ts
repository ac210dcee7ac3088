/**
 * One short run of an emulator binary that asks what it can do: QMP over its standard input and output, and its help.
 * Owns the questions. Must not know the cache.
 */
import { execFile } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { z } from 'zod';
import { DomctlError, isErrno } from '../errors.ts';
import { parseLine } from './qmp-messages.ts';

/** What a binary says about itself. */
export interface Answers {
  /** E.g. `7.2.19`. */
  readonly version: string;
  /** The form in which it takes async teardown; null: it has none. */
  readonly asyncTeardown: 'run-with' | 'async-teardown' | null;
  /** Machine types; an alias such as `q35` stands for its newest. */
  readonly machines: readonly { readonly name: string; readonly alias: string | null }[];
  /** True when the binary knows the KVM accelerator; whether /dev/kvm works is another question. */
  readonly kvm: boolean;
  /** Names of processor models, `host` and `max` among them. */
  readonly processors: readonly string[];
  /** Types of devices; null: it would not say, which is no reason not to run it. */
  readonly devices: readonly string[] | null;
}

const version = z.object({ qemu: z.object({ major: z.int(), minor: z.int(), micro: z.int() }) });
const machines = z.array(z.object({ name: z.string(), alias: z.string().optional() }));
const kvm = z.object({ present: z.boolean() });
const names = z.array(z.object({ name: z.string() }));

const questions = [
  'qmp_capabilities',
  'query-version',
  'query-machines',
  'query-kvm',
  'query-cpu-definitions',
  'qom-list-types',
  'quit',
] as const;
type Question = (typeof questions)[number];

const basics = questions.filter((each) => each !== 'qom-list-types');
/**
 * Asked in a run of its own: to list its devices QEMU loads every module it finds, and aborts on one of another build,
 * as there is while a package is upgraded.
 */
const inventory: readonly Question[] = ['qmp_capabilities', 'qom-list-types', 'quit'];

const idleArgs = ['-S', '-nodefaults', '-no-user-config', '-machine', 'none', '-display', 'none', '-qmp', 'stdio'];
const longestAnswer = 16 * 1024 * 1024;

/** For all that a binary is asked. Read cold from a slow disk, while every machine of the host starts, it takes its time. */
export const emulatorDeadlineMs = 60_000;

/** How a binary is asked. */
export interface Asking {
  readonly deadlineMs: number;
  /** Whoever writes a definition names the binary, so root never runs it; null: our own user. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
}

/** Asks the binary, in three runs within one deadline. Throws HOST_LACKS when it does not run, or does not answer as QEMU. */
export async function interrogate(emulator: string, { deadlineMs, user }: Asking): Promise<Answers> {
  const endsAtMs = performance.now() + deadlineMs;
  try {
    const ask = async (asked: readonly Question[]): Promise<Map<Question, unknown>> => {
      return readAnswers(await run({ emulator, args: idleArgs, endsAtMs, input: script(asked), user }));
    };
    const answers = await ask(basics);
    const listing = ask(inventory).then(deviceTypes, () => null);
    const help = await run({ emulator, args: ['-help'], endsAtMs, input: '', user });
    return { ...describe(answers), asyncTeardown: teardownForm(help), devices: await listing };
  } catch (cause) {
    throw unusable(emulator, cause);
  }
}

/**
 * The form of async teardown in the text of `-help`. It is read there because 7.2's query-command-line-options, which
 * lists only options that take values, does not know `-async-teardown`.
 */
export function teardownForm(help: string): Answers['asyncTeardown'] {
  if (/^-run-with .*async-teardown/m.test(help)) return 'run-with';
  return /^-async-teardown\b/m.test(help) ? 'async-teardown' : null;
}

function deviceTypes(answers: Map<Question, unknown>): string[] | null {
  const { data } = names.safeParse(answers.get('qom-list-types'));
  return data?.map(({ name }) => name) ?? null;
}

function describe(answers: Map<Question, unknown>): Omit<Answers, 'asyncTeardown' | 'devices'> {
  const { qemu } = version.parse(answers.get('query-version'));
  const listed = machines.parse(answers.get('query-machines'));
  return {
    version: `${qemu.major}.${qemu.minor}.${qemu.micro}`,
    machines: listed.map(({ name, alias }) => ({ name, alias: alias ?? null })),
    kvm: kvm.parse(answers.get('query-kvm')).present,
    processors: names.parse(answers.get('query-cpu-definitions')).map(({ name }) => name),
  };
}

const parameters: Partial<Record<Question, object>> = { 'qom-list-types': { implements: 'device', abstract: false } };

function script(asked: readonly Question[]): string {
  const commands = asked.map((execute) => ({ execute, arguments: parameters[execute], id: execute }));
  return commands.map((each) => `${JSON.stringify(each)}\n`).join('');
}

/** An emulator that does nothing, with QMP on its standard input and output; told `farewell`, it ends. */
export const idle = { args: idleArgs, farewell: script(['qmp_capabilities', 'quit']) } as const;

const answerSchema = z.object({ id: z.enum(questions), return: z.unknown() });

/** Greeting and events have no id, refusals no `return`: what is left are answers. */
function readAnswers(output: string): Map<Question, unknown> {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  const answers = lines.map((line) => answerSchema.safeParse(parseLine(line)));
  return new Map(answers.flatMap(({ data }) => (data ? [[data.id, data.return]] : [])));
}

function run(order: {
  readonly emulator: string;
  readonly args: readonly string[];
  readonly endsAtMs: number;
  readonly input: string;
  readonly user: Asking['user'];
}): Promise<string> {
  const { emulator, args, endsAtMs, input, user } = order;
  const timeout = Math.max(1, Math.ceil(endsAtMs - performance.now()));
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
  const options = { timeout, maxBuffer: longestAnswer, killSignal: 'SIGKILL', env, cwd: '/', ...(user ?? {}) } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(emulator, args, options, (error, stdout) => {
      if (error instanceof Error) reject(error);
      else resolve(stdout);
    });
    // A program that does not read ends with EPIPE here; how it exited says more.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

function unusable(emulator: string, cause: unknown): DomctlError {
  const isLate = wasKilled(cause);
  const why = isErrno(cause, 'EACCES') ? 'is not executable' : isLate ? 'did not answer in time' : 'is not a QEMU';
  return new DomctlError('HOST_LACKS', `the emulator ${emulator} ${why}`, {
    hint: isLate
      ? `'${emulator} -version' shows whether it answers; if this host is only slow now, try again`
      : 'apt-get install --no-install-recommends qemu-system-x86',
    details: { emulator },
    cause,
  });
}

function wasKilled(error: unknown): boolean {
  return error instanceof Error && 'killed' in error && error.killed === true;
}
