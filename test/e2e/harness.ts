/**
 * A host of a test's own: places, cgroup root, configuration, daemon, virtual machines and helping programs, driven through
 * the built `domctl` as a person would. At its end everything is ended through the product, counted by the kernel's own
 * files, and swept; what the product left behind fails a test that had passed.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, inject, onTestFailed, onTestFinished } from 'vitest';
import { connectOrStart } from '../../lib/client/autostart.ts';
import { Client } from '../../lib/client/client.ts';
import type { DomainInfo } from '../../lib/client/contract.ts';
import { followEvents } from '../../lib/client/events.ts';
import { DomctlError } from '../../lib/errors.ts';
import { findPlaces } from '../../lib/places.ts';
import { patient } from '../setup/slowness.ts';
import { type DomainSpec, domainXml } from './domains.ts';
import { anyQemu, Emulators } from './emulators.ts';
import {
  cgroupTree,
  describeProcess,
  eventually,
  isAlive,
  namesIn,
  processesIn,
  processesNaming,
  readOrNull,
  removeTree,
  signalUnlessGone,
} from './facts.ts';

const program = fileURLToPath(new URL('../../dist/domctl.cjs', import.meta.url));
const fixtures = fileURLToPath(new URL('../fixtures/programs/', import.meta.url));

/** The hypervisors' user of every test: on each Debian, and nobody's in particular. */
export const nobody = 65534;

/** Cgroups and another user for the hypervisor need root; without it the whole file is skipped by name. */
export function describeEndToEnd(name: string, body: () => void): void {
  if (process.getuid?.() === 0) describe(name, body);
  else describe.skip(`${name} (skipped: needs root to make cgroups and change user)`, body);
}

export interface HostOptions {
  /** Files of etc/policies by name; an object is written as JSON, which is YAML. */
  readonly policies?: Readonly<Record<string, object | string>>;
  /** Over `security.user: nobody`; a text replaces all of it. */
  readonly hostYaml?: object | string;
  /** The test shows something after which the product cannot end everything itself. */
  readonly mayLeave?: boolean;
  /** Shared with another host of the test; else its own. */
  readonly promisesDir?: string;
  /** A directory to make its runtime directory in, e.g. on another file system; else its own. */
  readonly runtimeIn?: string;
  /** Nothing is there but the configuration: not even what emulators of earlier hosts were found to be able to do. */
  readonly bare?: boolean;
}

export interface Result {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/** A `domctl` that still runs. */
export interface Running {
  readonly pid: number;
  readonly done: Promise<Result>;
  stdout(): string;
  kill(signal: NodeJS.Signals): void;
}

/** A program that keeps hold of something until it is told to let go. */
export interface Holder {
  readonly pid: number;
  letGo(): Promise<void>;
}

/** One line of the journal. */
export interface JournalLine {
  readonly seq: number;
  readonly kind: 'opened' | 'launch' | 'state';
  readonly incarnation?: number;
  readonly event?: string;
  // A record is compared, never computed with: its type is the product's, its truth the test's.
  readonly launch?: any; // eslint-disable-line @typescript-eslint/no-explicit-any
  readonly state?: any; // eslint-disable-line @typescript-eslint/no-explicit-any
}

/** What is said of one that ended meanwhile, by its domain or, where that is another incarnation's by now, by its number. */
const hasEnded: ReadonlySet<string> = new Set(['DOMAIN_NOT_RUNNING', 'NO_SUCH_DOMAIN']);

let hosts = 0;

const emulators = new Emulators(inject('emulatorHome'));

/** Makes the host; nothing runs yet. For `await using` inside a test. */
export async function createHost(options: HostOptions = {}): Promise<Host> {
  const host = new Host(options);
  // A test that timed out never comes to its own end: then this is where its host is put away.
  onTestFinished(async ({ task }) => {
    await host[Symbol.asyncDispose]();
    const passed = task.result?.state !== 'fail';
    if (passed && !host.mayLeave && host.leftovers.length > 0)
      throw new Error(`the product left behind:\n${host.leftovers.join('\n')}`);
  });
  onTestFailed(() => {
    process.stderr.write(host.remains);
  });
  return host;
}

export class Host implements AsyncDisposable {
  /** What was still there when the product had been asked to end everything. */
  leftovers: readonly string[] = [];
  /** Log, journal and cgroups as they were at the end, for a failure. */
  remains = '';
  readonly directory: string;
  readonly cgroupRoot: string;
  readonly mayLeave: boolean;
  readonly environment: Readonly<Record<string, string>>;
  readonly #programs: ChildProcessWithoutNullStreams[] = [];
  readonly #runtimeDir: string;
  #put: Promise<void> | null = null;

  constructor(options: HostOptions) {
    hosts += 1;
    this.mayLeave = options.mayLeave ?? false;
    this.directory = mkdtempSync(join(realpathSync(tmpdir()), 'e2e-'));
    chmodSync(this.directory, 0o755);
    this.cgroupRoot = `/domctl-e2e-${process.pid}-${hosts}`;
    this.#runtimeDir = options.runtimeIn === undefined ? this.at('run') : mkdtempSync(join(options.runtimeIn, 'e2e-'));
    this.environment = {
      DOMCTL_CONFIG_DIR: this.at('etc'),
      DOMCTL_STATE_DIR: this.at('state'),
      DOMCTL_RUNTIME_DIR: this.#runtimeDir,
      DOMCTL_LOG_DIR: this.at('log'),
      DOMCTL_CGROUP_ROOT: this.cgroupRoot,
      // Promises of tests are larger than the machine; a test of two daemons shares one.
      DOMCTL_PROMISES_DIR: options.promisesDir ?? this.at('promises'),
    };
    mkdirSync(this.at('etc/policies'), { recursive: true });
    const { policies = {}, hostYaml = {} } = options;
    for (const [name, policy] of Object.entries(policies)) this.writePolicy(name, policy);
    const allowedPolicies = ['strict', 'balanced', 'restart-first', ...Object.keys(policies)];
    this.writeHostYaml(typeof hostYaml === 'string' ? hostYaml : { allowedPolicies, ...hostYaml });
    if (!options.bare) emulators.recall(this.at('state'));
  }

  at(name: string): string {
    return join(this.directory, name);
  }

  // Configuration

  /** An object goes over the least a test needs. */
  writeHostYaml(content: object | string): void {
    const whole = { kind: 'host', version: 1, security: { user: 'nobody' }, ...(content as object) };
    writeFileSync(this.at('etc/host.yaml'), typeof content === 'string' ? content : JSON.stringify(whole));
  }

  /** An object goes over a copy of `balanced` with the description a policy must have. */
  writePolicy(name: string, content: object | string): void {
    const whole = {
      kind: 'policy',
      version: 1,
      name,
      description: 'of a test',
      extends: 'balanced',
      ...(content as object),
    };
    writeFileSync(this.at(`etc/policies/${name}.yaml`), typeof content === 'string' ? content : JSON.stringify(whole));
  }

  // domctl

  /** Runs domctl to its end; `through` is a program that runs it, such as unshare. */
  async domctl(args: readonly string[], how: { input?: string; through?: readonly string[] } = {}): Promise<Result> {
    return this.begin(args, how).done;
  }

  begin(args: readonly string[], how: { input?: string; through?: readonly string[] } = {}): Running {
    if (!existsSync(program)) throw new Error(`${program} is not built: node test/setup/build.mjs`);
    const [file, ...rest] = [...(how.through ?? []), process.execPath, program, ...args];
    const began = performance.now();
    const child = this.#spawn(file!, rest, { ...process.env, ...this.environment });
    const out = collect(child.stdout);
    const err = collect(child.stderr);
    child.stdin.on('error', () => undefined);
    child.stdin.end(how.input ?? '');
    const done = once(child, 'close').then(([exit]) => {
      return { exit: exit as number | null, stdout: out(), stderr: err(), ms: performance.now() - began };
    });
    return { pid: child.pid!, done, stdout: out, kill: (signal) => child.kill(signal) };
  }

  /** Runs domctl, which must end with 0; gives its standard output. */
  async ok(...args: readonly string[]): Promise<string> {
    const result = await this.domctl(args);
    if (result.exit === 0) return result.stdout;
    throw new Error(`domctl ${args.join(' ')}: exit ${result.exit}\n${result.stdout}${result.stderr}`);
  }

  /** The JSON answer of a command that ends with 0, as the contract types it. */
  async json<Answer>(...args: readonly string[]): Promise<Answer> {
    return JSON.parse(await this.ok(...args, '--json')) as Answer;
  }

  /** domstate's word. */
  async state(domain: string): Promise<string> {
    return (await this.ok('domstate', domain)).trim();
  }

  // Domains

  /** The domain's XML; without an emulator of its own it gets whichever QEMU there is. */
  xml(spec: DomainSpec): string {
    return domainXml({ emulator: anyQemu, ...spec });
  }

  writeXml(spec: DomainSpec | string): string {
    const file = this.at(`${typeof spec === 'string' ? 'given' : spec.name}.xml`);
    writeFileSync(file, typeof spec === 'string' ? spec : this.xml(spec));
    return file;
  }

  async define(spec: DomainSpec | string): Promise<void> {
    const file = this.writeXml(spec);
    const client = await this.#connectOrStart();
    await client.define({ file, xml: readFileSync(file, 'utf8'), allowUnsupported: false });
  }

  /** Defines and starts. */
  async run(spec: DomainSpec): Promise<DomainInfo> {
    await this.define(spec);
    await this.client().start(spec.name, {});
    return this.info(spec.name);
  }

  async info(domain: string): Promise<DomainInfo> {
    return this.client().info(domain);
  }

  /** The domain's state, without a program in between; for waiting. */
  async word(domain: string): Promise<string> {
    return (await this.info(domain)).state;
  }

  async becomes(domain: string, ...words: readonly string[]): Promise<DomainInfo> {
    return eventually(`'${domain}' is ${words.join(' or ')}`, async () => {
      const info = await this.info(domain);
      return words.includes(info.state) && info;
    });
  }

  /** A raw image that the hypervisor may use. */
  image(name: string): string {
    const path = this.at(name);
    writeFileSync(path, '');
    truncateSync(path, 2 ** 20);
    chownSync(path, nobody, nobody);
    return path;
  }

  // Daemon

  get socket(): string {
    return join(this.#runtimeDir, 'domctld.sock');
  }

  client(): Client {
    return new Client(this.socket);
  }

  async daemonPid(): Promise<number> {
    return (await this.client().version()).pid;
  }

  /** SIGKILL; resolves when it is gone. */
  async killDaemon(): Promise<void> {
    const pid = await this.daemonPid();
    process.kill(pid, 'SIGKILL');
    await eventually('the daemon is dead', () => !isAlive(pid));
  }

  /** A new daemon comes up, as at the next command. */
  async nextDaemon(): Promise<number> {
    return (await (await this.#connectOrStart()).version()).pid;
  }

  /** What every command does first, without a program in between: one takes a tenth of a second, and there are thousands. */
  async #connectOrStart(): Promise<Client> {
    return connectOrStart(findPlaces(this.environment));
  }

  get log(): string {
    return readOrNull(this.at('log/domctld.log'), 'utf8') ?? '';
  }

  get journalFile(): string {
    return this.at('state/journal.jsonl');
  }

  /** Every whole line of the journal. */
  journal(): JournalLine[] {
    const lines = (readOrNull(this.journalFile, 'utf8') ?? '')
      .split('\n')
      .filter((line, index, all) => line !== '' && index < all.length - 1);
    return lines.map((line) => JSON.parse(line) as JournalLine);
  }

  /** The states an incarnation went through, in order, each once. */
  history(incarnation: number): string[] {
    const kinds = this.journal()
      .filter((line) => (line.launch?.id ?? line.incarnation) === incarnation)
      .map(({ state }) => String(state.kind));
    return kinds.filter((kind, index) => kind !== kinds[index - 1]);
  }

  /** All that a refused command must leave as it was: domains, state directory, runtime directory, cgroups, processes. */
  async snapshot(): Promise<unknown> {
    if (!(await this.isDaemonUp())) await this.nextDaemon();
    // An event is told once it is kept: what follows has all that happened before.
    await followEvents(this.client(), { follow: false }, { signal: new AbortController().signal }).next();
    const domains = await this.client().list();
    return {
      domains: domains.map((row) => ({ ...row, heldBytes: null })),
      // What emulators can do is remembered: a cache, no state.
      state: filesBelow(this.at('state')).filter(([path]) => !path.includes('/capabilities')),
      runtime: filesBelow(this.#runtimeDir).map(([path]) => path),
      cgroups: cgroupTree(this.cgroupRoot),
      processes: processesIn(this.cgroupRoot),
    };
  }

  /** The next incarnation has that number; before there is a daemon. */
  countFrom(id: number): void {
    mkdirSync(dirname(this.journalFile), { recursive: true });
    const opened = { v: 1, seq: 1, at: new Date().toISOString(), kind: 'opened', lastId: id - 1 };
    writeFileSync(this.journalFile, `${JSON.stringify(opened)}\n`);
  }

  // Helping programs

  /** An emulator that misbehaves as `kind` says; see fixtures/programs/odd-qemu.mjs. */
  oddQemu(kind: string): string {
    // What `late` waits for lies beside it, and is this host's own.
    return kind === 'late' ? emulators.writeOdd(kind, this.at('bin')) : emulators.odd(kind);
  }

  /** An emulator that weighs nothing, and misbehaves as its domain's name says; see fixtures/hypervisor. */
  lightQemu(): string {
    return emulators.light();
  }

  /** Opens the guest memory of a hypervisor and keeps it: ram-holder.mjs. */
  async holdMemory(pid: number): Promise<Holder> {
    return this.#hold(process.execPath, [join(fixtures, 'ram-holder.mjs'), String(pid)], /^holding \d+$/m);
  }

  /** Keeps locks on bytes of an image, as another user of it would. */
  async holdLock(path: string, ...bytes: readonly number[]): Promise<Holder> {
    return this.#hold('python3', [join(fixtures, 'lock-holder.py'), path, ...bytes.map(String)], /^held$/m);
  }

  async #hold(file: string, args: readonly string[], ready: RegExp): Promise<Holder> {
    const child = this.#spawn(file, args, process.env);
    const said = collect(child.stdout);
    const complained = collect(child.stderr);
    await eventually(`${args.join(' ')} is ready`, () => {
      if (child.exitCode !== null) throw new Error(`${args.join(' ')}: ${said()}${complained()}`);
      return ready.test(said());
    });
    const letGo = async (): Promise<void> => {
      child.stdin.end('go\n');
      if (child.exitCode === null) await once(child, 'exit');
    };
    return { pid: child.pid!, letGo };
  }

  /** A domctl whose streams are the test's; ended with the host. */
  spawn(...args: readonly string[]): ChildProcessWithoutNullStreams {
    return this.#spawn(process.execPath, [program, ...args], { ...process.env, ...this.environment });
  }

  #spawn(file: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcessWithoutNullStreams {
    const child = spawn(file, args, { env, stdio: 'pipe' });
    this.#programs.push(child);
    return child;
  }

  /** Words that run a copy of domctl and of what it needs as an ordinary user, for `through`. */
  asNobody(): string[] {
    const copy = this.at('install');
    const names = ['domctl_native.node', 'libasyncteardown.so', 'domctl-brake'];
    const products = names.map((name) => `native/build/Release/${name}`);
    const built = ['dist', 'policies', ...products];
    for (const path of built) cpSync(join(dirname(dirname(program)), path), join(copy, path), { recursive: true });
    const who = `setpriv --reuid=${nobody} --regid=${nobody} --clear-groups env HOME=${this.at('home')}`;
    // The words that follow are our own node and program: those may lie where nobody can read.
    return ['sh', '-c', `shift 2; exec ${who} ${emulators.node} ${copy}/dist/domctl.cjs "$@"`, 'sh'];
  }

  // The end

  async [Symbol.asyncDispose](): Promise<void> {
    await (this.#put ??= this.#putAway());
  }

  async #putAway(): Promise<void> {
    try {
      this.remains = this.#describe();
      emulators.remember(this.at('state'));
      await Promise.all(this.#programs.map(ended));
      const failure = await this.#endThroughProduct().then(
        () => [],
        (error: unknown) => [`it could not be ended: ${String(error)}`],
      );
      // A daemon that could not come up says so a moment before it has put away what it had made.
      if (!this.mayLeave)
        await eventually('nothing is left', () => this.#whatIsLeft().length === 0, 5000).catch(() => undefined);
      this.leftovers = [...failure, ...this.#whatIsLeft()];
      await this.#sweep();
    } catch (error) {
      // Thrown from here it would hide what the test itself found.
      this.leftovers = [...this.leftovers, String(error)];
    }
  }

  /** Destroys what runs and stops the daemon; starts one where incarnations were left without. */
  async #endThroughProduct(): Promise<void> {
    const isUp = await this.isDaemonUp();
    if (!isUp && processesIn(this.cgroupRoot).length === 0) return;
    if (!isUp) await this.nextDaemon();
    const client = this.client();
    const live = (await client.list()).filter(({ id }) => id !== null);
    await Promise.all(
      live.map(async ({ id }) => {
        const ending = client.destroy(String(id), { wait: 'off', timeoutMs: patient(30_000) });
        // It may have ended since it was listed.
        await ending.catch((error: unknown) => {
          if (!(error instanceof DomctlError && hasEnded.has(error.code))) throw error;
        });
      }),
    );
    if (!this.mayLeave) await this.allForgotten().catch(() => undefined); // whatIsLeft tells
    await this.stopDaemon();
  }

  /** Nothing is left of any incarnation: runtime files and cgroups go just after the word `shut off` is said. */
  async allForgotten(): Promise<void> {
    try {
      await eventually('nothing is left of any incarnation', () => this.#leftOfIncarnations().length === 0, 10_000);
    } catch (error) {
      throw new Error(`left behind: ${this.#leftOfIncarnations().join(', ')}`, { cause: error });
    }
  }

  /** SIGTERM; resolves when it is gone. */
  async stopDaemon(): Promise<void> {
    const pid = await this.daemonPid();
    process.kill(pid, 'SIGTERM');
    await eventually('the daemon has ended', () => !isAlive(pid));
  }

  /** Its socket is there a moment before it listens. */
  async isDaemonUp(): Promise<boolean> {
    try {
      await this.client().version();
      return true;
    } catch (error) {
      if (error instanceof DomctlError) return false;
      throw error;
    }
  }

  #whatIsLeft(): string[] {
    const roots = cgroupTree(this.cgroupRoot).filter((directory) => directory.endsWith(this.cgroupRoot));
    return [
      ...processesNaming(this.directory).map(describeProcess),
      ...this.#leftOfIncarnations(),
      ...roots.map((directory) => `cgroup root ${directory}`),
    ];
  }

  #leftOfIncarnations(): string[] {
    const runtime = join(this.#runtimeDir, 'incarnations');
    const below = cgroupTree(this.cgroupRoot).filter((directory) => !directory.endsWith(this.cgroupRoot));
    return [
      ...below.map((directory) => `cgroup ${directory}`),
      ...namesIn(runtime).map((id) => `runtime files of incarnation ${id}`),
    ];
  }

  /** Ends and removes what is ours, and only that. */
  async #sweep(): Promise<void> {
    await eventually('every process of the host is gone', () => {
      const pids = new Set([...processesNaming(this.directory), ...processesIn(this.cgroupRoot)]);
      for (const pid of pids) signalUnlessGone(pid, 'SIGKILL');
      return pids.size === 0;
    });
    await eventually('every cgroup of the host is gone', () => removeTree(this.cgroupRoot));
    for (const directory of [this.directory, this.#runtimeDir]) rmSync(directory, { recursive: true, force: true });
  }

  #describe(): string {
    const tail = (text: string, lines: number): string => text.split('\n').slice(-lines).join('\n');
    const cgroups = cgroupTree(this.cgroupRoot).map((directory) => `${directory}: ${processesAt(directory)}\n`);
    return [
      `\n--- ${this.directory}: domctld.log, its end\n${tail(this.log, 40)}`,
      `--- journal, its end\n${tail(readOrNull(this.journalFile, 'utf8') ?? '(none)\n', 15)}`,
      `--- cgroups\n${cgroups.join('')}---\n`,
    ].join('\n');
  }
}

function processesAt(directory: string): string {
  try {
    return readFileSync(join(directory, 'cgroup.procs'), 'utf8').trim().replaceAll('\n', ' ');
  } catch (error) {
    return String(error);
  }
}

/** Kills it where it runs; resolves when it is gone. */
async function ended(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('utf8');
}

/** Files below a directory with their content, sorted; sockets and directories without. One that goes meanwhile is not there. */
function filesBelow(directory: string): [path: string, content: string][] {
  return namesIn(directory)
    .map((name) => join(directory, name))
    .flatMap((path): [string, string][] => {
      const stats = lstatSync(path, { throwIfNoEntry: false });
      if (stats?.isDirectory()) return [[path, ''], ...filesBelow(path)];
      const content = stats?.isFile() ? readOrNull(path, 'utf8') : '';
      return stats === undefined || content === null ? [] : [[path, content]];
    })
    .sort(([a], [b]) => a.localeCompare(b));
}
