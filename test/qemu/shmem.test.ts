/** Memory that guests share, in real QEMUs: a file of /dev/shm, and a server's with interrupts. */
import { rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sharedFiles, type Shmem } from '../../lib/domain/shmem.ts';
import { fillShared } from '../../lib/host/shared-memory.ts';
import { buildArgv } from '../../lib/qemu/argv.ts';
import { probeCapabilities } from '../../lib/qemu/capabilities.ts';
import { quit, ready } from '../../lib/qemu/commands.ts';
import { bareDomain, plainLaunch } from '../fixtures/qmp/domains.ts';
import { findQemus } from '../setup/qemus.ts';
import { startMachine, temporaryDirectory } from './machine.ts';
import { serveShared } from './shared-server.ts';

const MiB = 2 ** 20;

describe.for(await findQemus())('QEMU $label', { timeout: 30_000 }, (qemu) => {
  test.skipIf(qemu.skipReason)('shares memory by a file and by a server, without a warning', async () => {
    const directory = await temporaryDirectory();
    const server = path.join(directory, 'a,server');
    onTestFinished(await serveShared(server, 4));
    const file = { name: `domctl test, ${path.basename(directory)}`, model: 'ivshmem-plain', address: null } as const;
    onTestFinished(async () => rm(`/dev/shm/${file.name}`, { force: true }));
    const shmems: Shmem[] = [
      { ...file, role: 'master', sizeBytes: MiB },
      { ...file, role: null, sizeBytes: MiB },
      { name: 'served', model: 'ivshmem-doorbell', role: 'peer', server, vectors: 4, ioeventfd: false, address: null },
    ];
    await fillShared(sharedFiles(shmems), null);
    const capabilities = await probeCapabilities(qemu.emulator!, path.join(directory, 'cache'));
    const launch = { ...plainLaunch, capabilities, qmpSocket: path.join(directory, 'qmp'), socketDir: directory };
    const machine = startMachine(qemu.emulator!, buildArgv({ ...bareDomain, shmems }, launch), launch.qmpSocket);
    const client = await machine.connect();
    expect(await ready(client)).toEqual({ status: 'prelaunch', running: false });
    const vectors = { path: '/machine/peripheral/shmem2', property: 'vectors' };
    expect(await client.execute('qom-get', vectors)).toBe(4);
    await quit(client);
    expect(await machine.exited).toBe(0);
    expect(machine.stderr()).toBe('');
    expect((await stat(`/dev/shm/${file.name}`)).size).toBe(MiB);
  });
});
