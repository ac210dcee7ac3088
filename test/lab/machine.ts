/**
 * Boots a lab: Debian's newest cloud kernel under QEMU, on the host's own root, read-only, with unified cgroup v2 alone. Owns
 * the processes and the one directory that a lab is on the host, and that nothing of them is left, however it ends.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findQemus } from '../setup/qemus.ts';
import { Channel, type Command, type Run } from './channel.ts';
import { type LabParts, prepareParts } from './parts.ts';

export const checkout = realpathSync(fileURLToPath(new URL('../..', import.meta.url)));

/** The directory inside a lab that is a real file system of its own: ext4. */
const scratch = '/scratch';

export type Accelerator = 'tcg' | 'kvm';

export interface LabOptions {
  readonly memoryMiB?: number;
  /** By default the host's, at most four. */
  readonly cpus?: number;
  readonly scratchMiB?: number;
  /**
   * The scratch disk itself, made where there is none, and left there: the next lab finds what was in `/scratch`, and only
   * that. By default one of the lab's own, which goes with it.
   */
  readonly scratchFile?: string;
  /** By default KVM where the host's truly works, else TCG. */
  readonly accelerator?: Accelerator | 'auto';
  /** By default the newest QEMU there is. */
  readonly emulator?: string;
  readonly kernelArguments?: string;
  /** Ends the lab while it boots. */
  readonly signal?: AbortSignal;
}

/** There is no lab here; `hint` says what would make one possible. */
export class LabError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string, cause?: unknown) {
    super(message, { cause });
    this.hint = hint;
  }
}

const rootHint = 'run it as root, with CAP_SYS_ADMIN (a container: --privileged, or --cap-add SYS_ADMIN)';
const bootDeadlineMs = { kvm: 20_000, tcg: 180_000 };

/** Boots one; resolves when it takes commands. Throws LabError, and then nothing of it is left. */
export async function bootLab(options: LabOptions = {}): Promise<Lab> {
  const parts = await prepareParts().catch((error: unknown) => {
    throw new LabError(
      `the lab's kernel and virtiofsd cannot be had: ${lastLine(error)}`,
      'they come from the package repository of a Debian host: look at its network and apt sources',
      error,
    );
  });
  const { accelerator = 'auto' } = options;
  if (accelerator !== 'auto') return bootWith(parts, options, accelerator);
  if (!hasKvm()) return bootWith(parts, options, 'tcg');
  // Nested, /dev/kvm may be there and yet run no kernel: only a boot tells.
  return bootWith(parts, options, 'kvm').catch(async (error: unknown) => {
    if (options.signal?.aborted) throw error;
    return bootWith(parts, options, 'tcg');
  });
}

/** The processor says that it can virtualize; without that word /dev/kvm is an emulation that runs no kernel to its end. */
function hasKvm(): boolean {
  return existsSync('/dev/kvm') && /^flags\s*:.* (svm|vmx)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

async function bootWith(parts: LabParts, options: LabOptions, accelerator: Accelerator): Promise<Lab> {
  const lab = new Lab(parts, options, accelerator);
  try {
    await lab.boot();
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

export class Lab implements AsyncDisposable {
  readonly accelerator: Accelerator;
  readonly #parts: LabParts;
  readonly #options: LabOptions;
  /** On the host; everything that belongs to the lab names it. */
  readonly directory: string;
  readonly #children: ChildProcess[] = [];
  readonly #server: Server;
  readonly #removeAtExit = (): void => this.#remove();
  #channel: Channel | null = null;
  #machine: ChildProcess | null = null;
  #said = '';

  constructor(parts: LabParts, options: LabOptions, accelerator: Accelerator) {
    this.#parts = parts;
    this.#options = options;
    this.accelerator = accelerator;
    removeStale();
    this.directory = mkdtempSync(join(realpathSync(tmpdir()), `domctl-lab-${process.pid}-`));
    this.#server = createServer();
    process.once('exit', this.#removeAtExit);
  }

  /** Starts a command in the lab, in the same directory and environment by default; temporary files go to its scratch disk. */
  run(argv: readonly string[], out: Parameters<Channel['run']>[1], how: Partial<Command> = {}): Run {
    const { cwd = process.cwd(), env = process.env } = how;
    return this.#channel!.run({ argv, cwd, env: { ...env, TMPDIR: scratch, DOMCTL_LAB: this.accelerator } }, out);
  }

  async boot(): Promise<void> {
    await promisify(this.#server.listen.bind(this.#server) as (path: string, done: () => void) => void)(
      this.#at('channel'),
    );
    const connected = once(this.#server, 'connection') as Promise<[Socket]>;
    await Promise.race([this.#start(connected), this.#deadline()]);
  }

  /** Powers off at once, as a power cut would: nothing is stopped, nothing synced. What does not follow is killed. Leaves no process, mount or file. */
  async close(): Promise<void> {
    if (this.#machine && this.#channel) {
      this.#channel.powerOff();
      await Promise.race([ended(this.#machine), pause(5000, undefined, { ref: false })]);
    }
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#children.map(ended));
    this.#server.close();
    process.off('exit', this.#removeAtExit);
    this.#remove();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #start(connected: Promise<[Socket]>): Promise<void> {
    await this.#makeScratch();
    await this.#serveRoot();
    const machine = this.#spawn(this.#options.emulator ?? (await newestQemu()), this.#machineArguments());
    this.#machine = machine;
    const failed = this.#failure(machine, 'QEMU');
    const [socket] = await Promise.race([connected, failed]);
    const channel = new Channel(socket);
    failed.catch((error: unknown) => channel.fail(error as Error));
    await Promise.race([channel.up, failed]);
    this.#channel = channel;
  }

  async #deadline(): Promise<never> {
    const { signal } = this.#options;
    await pause(bootDeadlineMs[this.accelerator], undefined, { ref: false, ...(signal ? { signal } : {}) });
    throw this.#died(`no lab within ${bootDeadlineMs[this.accelerator] / 1000} s`);
  }

  /** An empty ext4 of its own, sparse: what is written in the lab and nowhere else. One that survives a crash has a journal. */
  async #makeScratch(): Promise<void> {
    const { scratchFile, scratchMiB = 8192 } = this.#options;
    if (scratchFile !== undefined && existsSync(scratchFile)) return;
    const journal = scratchFile === undefined ? ['-O', '^has_journal'] : [];
    const options = ['-q', '-F', '-E', 'root_owner=0:0', ...journal];
    const format = this.#spawn('mkfs.ext4', [...options, this.#scratchImage, `${scratchMiB}M`]);
    await ended(format);
    if (format.exitCode !== 0) throw this.#died('mkfs.ext4 failed', 'it is in the package e2fsprogs');
    this.#said = '';
  }

  /** The root, and what of ours is mounted elsewhere, bound read-only in a mount namespace that only virtiofsd is in. */
  async #serveRoot(): Promise<void> {
    mkdirSync(this.#at('root'));
    const script = `set -e; root=$1 virtiofsd=$2 socket=$3; shift 3
for each; do mount --bind "$each" "$root$each"; mount -o remount,bind,ro "$root$each"; done
exec "$virtiofsd" --socket-path="$socket" -o "source=$root,sandbox=chroot,cache=always,no_posix_lock,no_flock" -f`;
    const places = [this.#at('root'), this.#parts.virtiofsd, this.#at('fs'), ...this.#mountsOfOurs()];
    const unshare = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', ...places];
    const server = this.#spawn('unshare', unshare);
    const failed = this.#failure(server, 'virtiofsd', rootHint);
    while (!existsSync(this.#at('fs'))) await Promise.race([pause(5), failed]);
    failed.catch((error: unknown) => this.#channel?.fail(error as Error));
  }

  /** Mount points above what a lab reads, outermost first. */
  #mountsOfOurs(): string[] {
    const read = [checkout, realpathSync(process.execPath), this.#parts.directory, '/usr/bin', '/etc', '/var'];
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
    const points = mounts.map((line) => line.split(' ')[4]).filter((point) => point !== undefined);
    const above = points.filter((point) => read.some((path) => `${path}/`.startsWith(`${point}/`)));
    return [...new Set(['/', ...above])].sort((a, b) => a.length - b.length);
  }

  #machineArguments(): string[] {
    const { memoryMiB = 3072, cpus = Math.min(4, availableParallelism()), kernelArguments = '' } = this.#options;
    const processor =
      this.accelerator === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'max'];
    const variables = `LAB_PARTS=${this.#parts.directory} LAB_AGENT=${this.#parts.agent}`;
    const init = join(dirname(fileURLToPath(import.meta.url)), 'init.sh');
    return [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio', ...processor],
      ...['-M', 'q35,memory-backend=ram', '-smp', String(cpus), '-m', `${memoryMiB}M`],
      ...['-object', `memory-backend-memfd,id=ram,size=${memoryMiB}M,share=on`],
      ...['-chardev', `socket,id=fs,path=${this.#at('fs')}`, '-device', 'vhost-user-fs-pci,chardev=fs,tag=root'],
      ...['-drive', `file=${this.#scratchImage},format=raw,if=virtio,cache=unsafe,discard=unmap`],
      ...['-chardev', `socket,id=channel,path=${this.#at('channel')}`, '-device', 'virtio-serial-pci'],
      ...['-device', 'virtserialport,chardev=channel,name=lab', '-kernel', this.#parts.kernel],
      '-append',
      `console=ttyS0 quiet panic=-1 mitigations=off psi=1 rootfstype=virtiofs root=root ro ${variables} init=/bin/sh ${kernelArguments} -- ${init}`,
    ];
  }

  /** A child that does not outlive us, however we end. */
  #spawn(file: string, args: readonly string[]): ChildProcess {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', file, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#children.push(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#said = (this.#said + chunk.toString()).slice(-8192);
      });
    }
    return child;
  }

  /** Rejects when the child ends, with what it said. */
  async #failure(child: ChildProcess, what: string, hint?: string): Promise<never> {
    await ended(child);
    throw this.#died(`${what} ended (${child.signalCode ?? `exit ${child.exitCode}`})`, hint);
  }

  #died(what: string, hint = 'what it said last is above'): LabError {
    return new LabError(`${this.#said.trimEnd()}\n${what}`.trimStart(), hint);
  }

  get #scratchImage(): string {
    return this.#options.scratchFile ?? this.#at('disk');
  }

  #at(name: string): string {
    return join(this.directory, name);
  }

  #remove(): void {
    for (const child of this.#children) if (child.exitCode === null) child.kill('SIGKILL');
    removeDirectory(this.directory);
  }
}

/** Not one recursive removal: the root directory is where the host's own is bound, in another namespace. */
function removeDirectory(directory: string): void {
  for (const name of ['channel', 'fs', 'fs.pid', 'disk']) rmSync(join(directory, name), { force: true });
  for (const each of [join(directory, 'root'), directory]) if (existsSync(each)) rmdirSync(each);
}

/** What runners left that were killed without a word; their processes died with them. */
function removeStale(): void {
  const parent = realpathSync(tmpdir());
  for (const name of readdirSync(parent)) {
    const runner = /^domctl-lab-(\d+)-/.exec(name)?.[1];
    if (runner !== undefined && !existsSync(`/proc/${runner}`)) removeDirectory(join(parent, name));
  }
}

/** Of QEMU 7.2's emulated processor a 6.12 kernel dies now and then (cmpxchg16b spoils the flags); 10's does not. */
async function newestQemu(): Promise<string> {
  const emulators = (await findQemus()).flatMap(({ emulator }) => (emulator === null ? [] : [emulator]));
  const newest = emulators.at(-1);
  if (newest === undefined) throw new LabError('this host has no qemu-system-x86_64', "'npm run setup' installs it");
  return newest;
}

/** Resolves when it is gone, also one that never came to be. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  await once(child, 'exit');
}

function lastLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim().split('\n').at(-1) ?? '';
}
