/**
 * What a lab is on the host: the one directory and the processes that everything of it is in. Owns that nothing of them is
 * left, however the lab ends; must not know what kind of machine it has.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface LabOptions {
  readonly memoryMiB?: number;
  /** By default the host's, at most four; user-mode Linux has one. */
  readonly cpus?: number;
  readonly scratchMiB?: number;
  /**
   * The scratch disk itself, made where there is none, and left there: the next lab finds what was in `/scratch`, and only
   * that. By default one of the lab's own, which goes with it.
   */
  readonly scratchFile?: string;
  /** By default the newest QEMU there is. */
  readonly emulator?: string;
  readonly kernelArguments?: string;
  /**
   * Where systemd is unpacked, `/` being the host: PID 1 is systemd then, and commands are run by a unit of it. With
   * `scratchFile` the next lab finds the whole root as this one was shut down.
   */
  readonly systemd?: string;
}

/** There is no lab here; `hint` says what would make one possible. */
export class LabError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string, cause?: unknown) {
    super(message, { cause });
    this.hint = hint;
  }
}

/** Starts the machine of a lab; `dependOn` is told of what else must not end. */
export type StartMachine = (site: Site, dependOn: (failed: Promise<never>) => void) => Promise<ChildProcess>;

export const rootHint = 'run it as root, with CAP_SYS_ADMIN (a container: --privileged, or --cap-add SYS_ADMIN)';

export class Site {
  readonly options: LabOptions;
  /** On the host; everything that belongs to the lab names it. */
  readonly directory: string;
  readonly #children: ChildProcess[] = [];
  readonly #removeAtExit = (): void => this.#remove();
  #said = '';

  constructor(options: LabOptions) {
    this.options = options;
    removeStale();
    this.directory = mkdtempSync(join(realpathSync(tmpdir()), `domctl-lab-${process.pid}-`));
    process.once('exit', this.#removeAtExit);
  }

  /** A path in its directory. */
  at(name: string): string {
    return join(this.directory, name);
  }

  /** A file that is to be the machine's disk. */
  get scratchImage(): string {
    return this.options.scratchFile ?? this.at('disk');
  }

  /** An empty ext4, sparse: what is written in the lab and nowhere else. One that survives a crash has a journal. */
  async makeScratch(): Promise<void> {
    const { scratchFile, scratchMiB = 8192 } = this.options;
    if (scratchFile !== undefined && existsSync(scratchFile)) return;
    const journal = scratchFile === undefined ? ['-O', '^has_journal'] : [];
    const options = ['-q', '-F', '-E', 'root_owner=0:0', ...journal];
    const format = this.spawn('mkfs.ext4', [...options, this.scratchImage, `${scratchMiB}M`]);
    await ended(format);
    if (format.exitCode !== 0) throw this.died('mkfs.ext4 failed', 'it is in the package e2fsprogs');
    this.#said = '';
  }

  /** The end of the kernel's command line; `parts` is what was unpacked for that kernel. */
  initArguments(parts: string, agent: string): string {
    const init = join(dirname(fileURLToPath(import.meta.url)), 'init.sh');
    const { kernelArguments = '', systemd } = this.options;
    const lab = `LAB_PARTS=${parts} LAB_AGENT=${agent}${systemd === undefined ? '' : ` LAB_SYSTEMD=${systemd}`}`;
    return `quiet psi=1 ro ${lab} init=/bin/sh ${kernelArguments} -- ${init}`;
  }

  /** A child that does not outlive us, however we end; `stdio[3]` is our end of its fourth descriptor. */
  spawn(file: string, args: readonly string[]): ChildProcess {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', file, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#children.push(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#said = (this.#said + chunk.toString()).slice(-8192);
      });
    }
    return child;
  }

  /** Rejects when the child ends, with what it said. */
  async failure(child: ChildProcess, what: string, hint?: string): Promise<never> {
    await ended(child);
    throw this.died(`${what} ended (${child.signalCode ?? `exit ${child.exitCode}`})`, hint);
  }

  /** That, after what was said last. */
  died(what: string, hint = 'what it said last is above'): LabError {
    return new LabError(`${this.#said.trimEnd()}\n${what}`.trimStart(), hint);
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill('SIGKILL');
    await Promise.all(this.#children.map(ended));
    process.off('exit', this.#removeAtExit);
    this.#remove();
  }

  #remove(): void {
    for (const child of this.#children) if (child.exitCode === null) child.kill('SIGKILL');
    removeDirectory(this.directory);
  }
}

/** Not one recursive removal: in another namespace, the host's root is bound in a directory of it. */
function removeDirectory(directory: string): void {
  for (const name of ['fs', 'fs.pid', 'disk']) rmSync(join(directory, name), { force: true });
  for (const each of [join(directory, 'root'), join(directory, 'machine'), directory])
    if (existsSync(each)) rmdirSync(each);
}

/** What runners left that were killed without a word; their processes died with them. */
function removeStale(): void {
  const parent = realpathSync(tmpdir());
  for (const name of readdirSync(parent)) {
    const runner = /^domctl-lab-(\d+)-/.exec(name)?.[1];
    if (runner !== undefined && !existsSync(`/proc/${runner}`)) removeDirectory(join(parent, name));
  }
}

/** Resolves when it is gone, also one that never came to be. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  await once(child, 'exit');
}
