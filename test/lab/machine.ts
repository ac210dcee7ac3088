/** Boots a lab: a kernel of its own on the host's root, read-only, with unified cgroup v2 alone, which runs commands. */
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Channel, type Command, type Run } from './channel.ts';
import { prepareEmulated } from './emulated.ts';
import { ended, LabError, type LabOptions, rootHint, Site, type StartMachine } from './site.ts';
import { prepareUserMode } from './usermode.ts';

/** The directory inside a lab that is a real file system of its own: ext4. */
const scratch = '/scratch';

/** kvm, tcg: a machine of QEMU's, with the host's virtualization or an emulated processor. uml: user-mode Linux. */
export type LabKind = 'kvm' | 'tcg' | 'uml';

export interface BootOptions extends LabOptions {
  /** By default DOMCTL_LAB_KIND, else KVM where the host's truly works, else TCG. */
  readonly kind?: LabKind;
  /** Ends the lab while it boots. */
  readonly signal?: AbortSignal;
}

const bootDeadlineMs = { kvm: 20_000, tcg: 180_000, uml: 60_000 };

/** Boots one; resolves when it takes commands. Throws LabError, and then nothing of it is left. */
export async function bootLab(options: BootOptions = {}): Promise<Lab> {
  const kind = options.kind ?? kindOf(process.env['DOMCTL_LAB_KIND']);
  if (kind !== null) return bootAs(kind, options);
  if (!hasKvm()) return bootAs('tcg', options);
  // Nested, /dev/kvm may be there and yet run no kernel: only a boot tells.
  return bootAs('kvm', options).catch(async (error: unknown) => {
    if (options.signal?.aborted) throw error;
    return bootAs('tcg', options);
  });
}

function kindOf(word: string | undefined): LabKind | null {
  if (word === undefined || word === '') return null;
  if (word === 'kvm' || word === 'tcg' || word === 'uml') return word;
  throw new LabError(`there is no lab of kind '${word}'`, 'DOMCTL_LAB_KIND is kvm, tcg or uml');
}

/** The processor says that it can virtualize; without that word /dev/kvm is an emulation that runs no kernel to its end. */
function hasKvm(): boolean {
  return existsSync('/dev/kvm') && /^flags\s*:.* (svm|vmx)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
}

async function bootAs(kind: LabKind, options: BootOptions): Promise<Lab> {
  const prepared = kind === 'uml' ? prepareUserMode() : prepareEmulated(kind);
  const startMachine = await prepared.catch((error: unknown) => {
    throw new LabError(
      `what the lab is made of cannot be had: ${lastLine(error)}`,
      'it comes from the package repository of a Debian host: look at its network and apt sources',
      error,
    );
  });
  const lab = new Lab(kind, options);
  try {
    await lab.boot(startMachine, options.signal);
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

export class Lab implements AsyncDisposable {
  readonly kind: LabKind;
  readonly #site: Site;
  #channel: Channel | null = null;
  #machine: ChildProcess | null = null;

  constructor(kind: LabKind, options: LabOptions) {
    this.kind = kind;
    this.#site = new Site(options);
  }

  /** On the host; everything that belongs to the lab names it. */
  get directory(): string {
    return this.#site.directory;
  }

  /** Starts a command in the lab, in the same directory and environment by default; temporary files go to its scratch disk. */
  run(argv: readonly string[], out: Parameters<Channel['run']>[1], how: Partial<Command> = {}): Run {
    const { cwd = process.cwd(), env = process.env } = how;
    return this.#channel!.run({ argv, cwd, env: { ...env, TMPDIR: scratch, DOMCTL_LAB: this.kind } }, out);
  }

  async boot(startMachine: StartMachine, signal?: AbortSignal): Promise<void> {
    await Promise.race([this.#start(startMachine), this.#deadline(signal)]);
  }

  /** Resolves when the machine is off, whoever did that. */
  async off(): Promise<void> {
    if (this.#machine) await ended(this.#machine);
  }

  /** Powers off at once, as a power cut would: nothing is stopped, nothing synced. What does not follow is killed. Leaves no process, mount or file. */
  async close(): Promise<void> {
    if (this.#machine && this.#channel) {
      this.#channel.powerOff();
      await Promise.race([ended(this.#machine), pause(5000, undefined, { ref: false })]);
    }
    await this.#site.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #start(startMachine: StartMachine): Promise<void> {
    await this.#site.makeScratch();
    const machine = await startMachine(this.#site, (failed) => {
      failed.catch((error: unknown) => this.#channel?.fail(error as Error));
    });
    this.#machine = machine;
    const failed = this.#site.failure(machine, this.kind === 'uml' ? 'user-mode Linux' : 'QEMU', rootHint);
    const channel = new Channel(machine.stdio[3] as Socket);
    failed.catch((error: unknown) => channel.fail(error as Error));
    await Promise.race([channel.up, failed]);
    this.#channel = channel;
  }

  async #deadline(signal: AbortSignal | undefined): Promise<never> {
    await pause(bootDeadlineMs[this.kind], undefined, { ref: false, ...(signal ? { signal } : {}) });
    throw this.#site.died(`no lab within ${bootDeadlineMs[this.kind] / 1000} s`);
  }
}

function lastLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).trim().split('\n').at(-1) ?? '';
}
