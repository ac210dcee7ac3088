/** What is braked: a program of threads that dirty memory and one that answers, or a QEMU whose guest is a firmware that does. */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Cgroup } from '../../../cgroups/cgroup.ts';
import { cont, queryCpus, queryStatus } from '../../../lib/qemu/commands.ts';
import { QmpClient } from '../../../lib/qemu/qmp.ts';
import { findQemus } from '../../setup/qemus.ts';
import { MiB, type Plan, sizes } from './plan.ts';

export interface Machine {
  /** Ids of its vCPUs. */
  readonly threads: readonly number[];
  /** What its guest will have dirtied. */
  readonly dirtiedBytes: number;
  readonly ended: Promise<unknown>;
  /** Its vCPUs run. */
  go(): Promise<unknown>;
  /** A question that changes nothing. */
  ask(): Promise<unknown>;
  hasEnded(): boolean;
  kill(): void;
}

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const dirtyingFirmware = here('../../fixtures/programs/firmware.S');
/** Its memory, and what of it its firmware dirties. */
const guest = { memoryMiB: 384, dirtiedMiB: 120 };

/** Programs of the bench, and the firmware of a guest, built once in `directory`. */
export function buildPrograms(directory: string): void {
  for (const name of ['drain', 'machine', 'worker'])
    execFileSync('cc', ['-O2', '-pthread', '-o', join(directory, name), here(`${name}.c`)]);
  const [object, image] = [join(directory, 'firmware.o'), join(directory, 'firmware.bin')];
  execFileSync('as', ['--32', '--defsym', `PAGES=${(guest.dirtiedMiB * MiB) / 4096}`, '-o', object, dirtyingFirmware]);
  execFileSync('ld', ['-m', 'elf_i386', '-Ttext=0', '--oformat=binary', '-o', image, object]);
}

/** A program that is born in the cgroup: it goes there before it is what it is. */
export function bornIn(cgroup: Cgroup, ...argv: readonly string[]): ChildProcessWithoutNullStreams {
  const script = 'echo $$ > "$0/cgroup.procs" && echo $$ > "$1/cgroup.procs" && shift && exec "$@"';
  return spawn('sh', ['-c', script, cgroup.directory, cgroup.memoryDirectory, ...argv], { stdio: 'pipe' });
}

function hasEnded({ exitCode, signalCode }: ChildProcessWithoutNullStreams): boolean {
  return exitCode !== null || signalCode !== null;
}

type Start = (cgroup: Cgroup, programs: string, vcpus: number) => Promise<Machine>;

export const startMachine: Readonly<Record<Plan['machine'], Start>> = {
  threads: startThreads,
  qemu: async (...given) => startQemu('tcg', ...given),
  kvm: async (...given) => startQemu('kvm', ...given),
};

async function startThreads(cgroup: Cgroup, programs: string, vcpus: number): Promise<Machine> {
  const { dirtiedBytes } = sizes;
  const child = bornIn(cgroup, join(programs, 'machine'), String(dirtiedBytes), String(vcpus));
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout });
  const [ids] = (await once(lines, 'line')) as [string];
  const say = async (line: string): Promise<unknown> => {
    child.stdin.write(`${line}\n`);
    return once(lines, 'line');
  };
  const threads = ids.trim().split(' ').map(Number);
  return { threads, dirtiedBytes, ...livesOf(child), go: async () => say('go'), ask: async () => say('are you there') };
}

/** Its text is read before it is born, as the daemon does: it is charged to whoever reads it first. */
async function startQemu(
  accelerator: 'tcg' | 'kvm',
  cgroup: Cgroup,
  programs: string,
  vcpus: number,
): Promise<Machine> {
  const emulator = await someEmulator();
  execFileSync(emulator, ['--version']);
  const socket = join(mkdtempSync(join(programs, 'qemu-')), 'qmp');
  const child = bornIn(
    cgroup,
    ...[emulator, '-nodefaults', '-no-user-config', '-display', 'none', '-S'],
    ...['-machine', `pc,accel=${accelerator}`, '-m', String(guest.memoryMiB), '-smp', String(vcpus)],
    ...['-bios', join(programs, 'firmware.bin')],
    ...['-qmp', `unix:${socket},server=on,wait=off`],
  );
  child.stderr.pipe(process.stderr);
  try {
    const qmp = await QmpClient.connect(socket, { deadlineMs: 60_000, onEvent: () => undefined });
    const threads = (await queryCpus(qmp)).map(({ threadId }) => threadId);
    const dirtiedBytes = guest.dirtiedMiB * MiB;
    return { threads, dirtiedBytes, ...livesOf(child), go: async () => cont(qmp), ask: async () => queryStatus(qmp) };
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

function livesOf(child: ChildProcessWithoutNullStreams): Pick<Machine, 'ended' | 'hasEnded' | 'kill'> {
  return { ended: once(child, 'exit'), hasEnded: () => hasEnded(child), kill: () => void child.kill('SIGKILL') };
}

async function someEmulator(): Promise<string> {
  const emulator = (await findQemus()).find((qemu) => qemu.emulator !== null)?.emulator;
  if (emulator) return emulator;
  throw new Error('there is no QEMU here');
}
