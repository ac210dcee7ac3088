/** Memory that guests share, in real QEMUs: a file of /dev/shm, and a server's with interrupts. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Shmem } from '../../lib/domain/shmem.ts';
import { fillShared } from '../../lib/host/shared-memory.ts';
import { buildArgv } from '../../lib/qemu/argv.ts';
import { probeCapabilities } from '../../lib/qemu/capabilities.ts';
import { quit, ready } from '../../lib/qemu/commands.ts';
import { bareDomain, plainLaunch } from '../fixtures/qmp/domains.ts';
import { findQemus } from '../setup/qemus.ts';
import { startMachine, temporaryDirectory } from './machine.ts';

const program = fileURLToPath(new URL('../fixtures/programs/ivshmem-server.py', import.meta.url));

async function serve(socket: string, bytes: number, vectors: number): Promise<void> {
  const server = spawn('python3', [program, socket, String(bytes), String(vectors)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(server, 'close');
  onTestFinished(async () => {
    server.kill('SIGKILL');
    await ended;
  });
  await once(server.stdout, 'data');
}

const MiB = 2 ** 20;

describe.for(await findQemus())('QEMU $label', { timeout: 30_000 }, (qemu) => {
  test.skipIf(qemu.skipReason)('shares memory by a file and by a server, without a warning', async () => {
    const directory = await temporaryDirectory();
    const server = path.join(directory, 'a,server');
    await serve(server, MiB, 4);
    const file = { name: `domctl test, ${path.basename(directory)}`, model: 'ivshmem-plain', address: null } as const;
    onTestFinished(async () => rm(`/dev/shm/${file.name}`, { force: true }));
    const shmems: Shmem[] = [
      { ...file, role: 'master', sizeBytes: MiB },
      { ...file, role: null, sizeBytes: MiB },
      { name: 'served', model: 'ivshmem-doorbell', role: 'peer', server, vectors: 4, ioeventfd: false, address: null },
    ];
    await fillShared(
      shmems.filter((one) => one.model === 'ivshmem-plain'),
      null,
    );
    const capabilities = await probeCapabilities(qemu.emulator!, path.join(directory, 'cache'));
    const launch = { ...plainLaunch, capabilities, qmpSocket: path.join(directory, 'qmp'), socketDir: directory };
    const machine = startMachine(qemu.emulator!, buildArgv({ ...bareDomain, shmems }, launch), launch.qmpSocket);
    const client = await machine.connect().catch((cause: unknown) => {
      throw new Error(machine.stderr(), { cause });
    });
    expect(await ready(client)).toEqual({ status: 'prelaunch', running: false });
    const vectors = { path: '/machine/peripheral/shmem2', property: 'vectors' };
    expect(await client.execute('qom-get', vectors)).toBe(4);
    await quit(client);
    expect(await machine.exited).toBe(0);
    expect(machine.stderr()).toBe('');
    expect((await stat(`/dev/shm/${file.name}`)).size).toBe(MiB);
  });
});
