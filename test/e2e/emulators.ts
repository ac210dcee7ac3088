/**
 * The emulators of end-to-end tests: QEMU of each generation, programs that stand for one that misbehaves, and what
 * they were found to be able to do, which is asked once and not by every host anew. Must not know hosts.
 */
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildLightQemu } from '../setup/light-qemu.ts';
import { findQemus, type TestQemu } from '../setup/qemus.ts';
import { namesIn } from './facts.ts';

const oddProgram = fileURLToPath(new URL('../fixtures/programs/odd-qemu.mjs', import.meta.url));

const qemus: readonly TestQemu[] = await findQemus();

/** For describe.each with the title 'QEMU %s'. */
export const byGeneration = qemus.map((qemu) => [qemu.label, qemu] as const);

/** Whichever QEMU this host has: for tests that are not about generations. */
export const anyQemu = qemus.find(({ emulator }) => emulator !== null)?.emulator ?? null;

/** Those of one run of tests, below its directory `home`; each process that tests run in has programs of its own there. */
export class Emulators {
  readonly #known: string;
  readonly #own: string;
  #node: string | null = null;

  constructor(home: string) {
    this.#known = join(home, 'capabilities');
    this.#own = join(home, String(process.pid));
    for (const directory of [this.#known, this.#own]) mkdirSync(directory, { recursive: true });
  }

  /** A program that misbehaves as `kind` says; the same one for every host. */
  odd(kind: string): string {
    const path = join(this.#own, 'bin', kind);
    return existsSync(path) ? path : this.writeOdd(kind, dirname(path));
  }

  /** Such a program in a directory of one's own. */
  writeOdd(kind: string, directory: string): string {
    const path = join(directory, kind);
    mkdirSync(directory, { recursive: true });
    const text = readFileSync(oddProgram, 'utf8');
    // ES modules go by the file's name, and this one has none.
    writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
    writeFileSync(path, text.replace('@NODE@', this.node).replace('@QEMU@', anyQemu ?? ''));
    chmodSync(path, 0o755);
    return path;
  }

  /** One that is born in a millisecond, and misbehaves as the name of its domain says: fixtures/hypervisor. */
  light(): string {
    const path = join(this.#own, 'light');
    if (!existsSync(path)) buildLightQemu(path, anyQemu ?? '');
    return path;
  }

  /** A node that `nobody` can run: our own where it lies open, else a copy. */
  get node(): string {
    this.#node ??= isOpenToAll(process.execPath) ? process.execPath : copyNode(this.#own);
    return this.#node;
  }

  /** Keeps what a daemon of this state directory has found out. */
  remember(stateDir: string): void {
    const directory = join(stateDir, 'capabilities');
    for (const name of namesIn(directory).filter((each) => each.endsWith('.json'))) {
      const kept = join(this.#known, name);
      const text = readFileSync(join(directory, name), 'utf8');
      // An emulator of the host's own goes with it.
      if (existsSync(kept) || text.includes(dirname(stateDir))) continue;
      const whole = join(this.#own, name);
      writeFileSync(whole, text);
      renameSync(whole, kept);
    }
  }

  /** Gives a daemon to be what others have found out; it goes by the identity of each file, as ever. */
  recall(stateDir: string): void {
    mkdirSync(stateDir, { recursive: true });
    chmodSync(stateDir, 0o711);
    cpSync(this.#known, join(stateDir, 'capabilities'), { recursive: true });
  }
}

function copyNode(directory: string): string {
  const copy = join(directory, 'node');
  copyFileSync(process.execPath, copy);
  chmodSync(copy, 0o755);
  return copy;
}

function isOpenToAll(file: string): boolean {
  accessSync(file, constants.X_OK);
  for (let each = realpathSync(file); each !== '/'; each = dirname(each)) {
    if ((statSync(each).mode & 0o001) === 0) return false;
  }
  return true;
}
