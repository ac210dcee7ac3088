import { access, constants, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Domain } from '../../lib/domain/definition.ts';
import { buildArgv } from '../../lib/qemu/argv.ts';
import { type Capabilities, probeCapabilities } from '../../lib/qemu/capabilities.ts';
import { balloon, cont, queryBalloon, quit, ready, stop } from '../../lib/qemu/commands.ts';
import { bareDomain, disk, fullDomain, plainLaunch, serial } from '../fixtures/qmp/domains.ts';
import { findQemus, type TestQemu } from '../setup/qemus.ts';
import {
  type Machine,
  noProcessWith,
  startMachine,
  temporaryDirectory,
  writeDomainFiles,
  writeRaw,
} from './machine.ts';

const qemus = await findQemus();

/** What an emulator can do is asked once. */
const cache = await mkdtemp(path.join(tmpdir(), 'domctl-qemu-cache-'));
afterAll(() => rm(cache, { recursive: true, force: true }));

const kvm = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
  () => true,
  () => false,
);

interface Setting {
  readonly capabilities: Capabilities;
  readonly directory: string;
}

async function setUp({ emulator }: TestQemu): Promise<Setting> {
  const directory = await temporaryDirectory();
  return { directory, capabilities: await probeCapabilities(emulator!, cache) };
}

function start({ capabilities, directory }: Setting, domain: Domain, socket = 'qmp'): Machine {
  const qmpSocket = path.join(directory, socket);
  const argv = buildArgv(domain, { ...plainLaunch, capabilities, qmpSocket, socketDir: directory });
  return startMachine(capabilities.emulator, argv, qmpSocket);
}

function withDisk(directory: string): Domain {
  return { ...bareDomain, disks: [disk(path.join(directory, 'plain.raw'))] };
}

describe.for(qemus)('QEMU $label', { timeout: 30_000 }, (qemu) => {
  test.skipIf(qemu.skipReason)(`is here (${qemu.skipReason ?? qemu.version})`, async () => {
    const { capabilities } = await setUp(qemu);
    expect(capabilities).toMatchObject({
      version: qemu.version,
      asyncTeardown: qemu.label === '10' ? 'run-with' : 'async-teardown',
      kvm: true,
    });
    const named = Object.fromEntries(capabilities.machines.map(({ name, alias }) => [alias, name]));
    const newest = qemu.label === '10' ? '10.0' : '7.2';
    expect(named).toMatchObject({ q35: `pc-q35-${newest}`, pc: `pc-i440fx-${newest}` });
    expect(capabilities.machines).toContainEqual({ name: 'pc-q35-7.2', alias: newest === '7.2' ? 'q35' : null });
  });

  test.skipIf(qemu.skipReason).for(['q35', 'pc'])(
    'starts every supported device on %s, obeys, quits, and leaves no process',
    async (machine) => {
      const setting = await setUp(qemu);
      await writeDomainFiles(setting.directory);
      const domain = fullDomain(setting.directory);
      const hypervisor = start(setting, { ...domain, os: { ...domain.os, machine } });
      const client = await hypervisor.connect();
      expect(await ready(client)).toEqual({ status: 'prelaunch', running: false });
      expect(client.outOfBand).toBe(true);
      expect(await client.execute('query-yank', undefined, { outOfBand: true })).toEqual(expect.any(Array));
      await balloon(client, domain.memoryBytes);
      expect(await queryBalloon(client)).toBe(domain.memoryBytes);
      await quit(client);
      expect(await hypervisor.exited).toBe(0);
      await client.closed;
      expect(hypervisor.events).toContainEqual(
        expect.objectContaining({ name: 'SHUTDOWN', data: { guest: false, reason: 'host-qmp-quit' } }),
      );
      await noProcessWith(setting.directory);
    },
  );

  test.skipIf(qemu.skipReason || !kvm)('runs a guest with KVM, and holds it', async () => {
    const setting = await setUp(qemu);
    const hypervisor = start(setting, { ...bareDomain, type: 'kvm' });
    const client = await hypervisor.connect();
    await ready(client);
    await cont(client);
    await stop(client);
    expect(await ready(client)).toEqual({ status: 'paused', running: false });
    expect(hypervisor.events.map(({ name }) => name)).toEqual(expect.arrayContaining(['RESUME', 'STOP']));
  });

  test.skipIf(qemu.skipReason)('takes commas and quotes in the name and in every path', async () => {
    const setting = await setUp(qemu);
    const nasty = path.join(setting.directory, `a,b=c,,"d'e`);
    await writeRaw(nasty);
    const serials = [serial({ type: 'file', path: `${nasty}.log`, append: null })];
    const domain = { ...bareDomain, name: `n,process=x,"'`, serials, disks: [disk(nasty)] };
    const client = await start(setting, domain, 'q,server=off').connect();
    await ready(client);
    expect(await client.execute('query-name')).toEqual({ name: domain.name });
    expect(await client.execute('query-named-block-nodes')).toMatchObject([{ file: nasty }]);
    await access(`${nasty}.log`);
  });

  test.skipIf(qemu.skipReason)('never becomes ready on a disk that another one has locked', async () => {
    const setting = await setUp(qemu);
    const domain = withDisk(setting.directory);
    await writeRaw(path.join(setting.directory, 'plain.raw'));
    const holder = await start(setting, domain).connect();
    await ready(holder);
    const second = start(setting, domain, 'second');
    await expect(second.connect().then((client) => ready(client))).rejects.toThrow();
    expect(await second.exited).toBe(1);
    expect(second.stderr()).toContain('Failed to get "write" lock');
    expect(await ready(holder)).toMatchObject({ status: 'prelaunch' });
  });

  test.skipIf(qemu.skipReason)('lets two share a disk that both say is shareable', async () => {
    const setting = await setUp(qemu);
    const domain = withDisk(setting.directory);
    const shared = { ...domain, disks: [{ ...domain.disks[0]!, shareable: true }] };
    await writeRaw(path.join(setting.directory, 'plain.raw'));
    for (const socket of ['first', 'second']) {
      expect(await ready(await start(setting, shared, socket).connect())).toMatchObject({ status: 'prelaunch' });
    }
  });
});
