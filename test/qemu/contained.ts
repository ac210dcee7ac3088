/** Programs that leave nothing behind: in name spaces of their own, which end with them, and they with us. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { vi } from 'vitest';
import { patient } from '../setup/slowness.ts';

/** The last process of a PID name space takes all others along; the first ends with its parent. */
const containment = ['--pdeathsig', 'KILL', 'unshare', '--pid', '--fork', '--kill-child=KILL'];

export interface Contained {
  readonly process: ChildProcess;
  /** Exit code once it has ended; null after a signal. */
  readonly exited: Promise<number | null>;
  /** What it said on standard error so far. */
  said(): string;
}

export interface Containment {
  /** Of unshare(1), beside those that contain it. */
  readonly options?: readonly string[];
  /** Beside ours. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What the program has from 3 on. */
  readonly descriptors?: readonly (number | Socket)[];
}

/** Runs a command, which must be stopped and waited for. */
export function contain(command: readonly string[], how: Containment): Contained {
  const { options = [], environment = {}, descriptors = [] } = how;
  const child = spawn('setpriv', [...containment, ...options, '--', ...command], {
    stdio: ['ignore', 'ignore', 'pipe', ...descriptors],
    env: { ...process.env, ...environment },
  });
  let text = '';
  child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const exited = once(child, 'close').then(([code]) => code as number | null);
  return { process: child, exited, said: () => text };
}

/** Runs a program until it listens at `socket`; the answer ends it. */
export async function serve(command: readonly string[], socket: string): Promise<() => Promise<void>> {
  const program = contain(command, {});
  await vi.waitFor(() => access(socket), { timeout: patient(10_000), interval: 10 });
  return async () => {
    program.process.kill('SIGKILL');
    await program.exited;
  };
}
