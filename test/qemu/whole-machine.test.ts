import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { Domain } from '../../lib/domain/definition.ts';
import { hypervSwitches } from '../../lib/domain/features.ts';
import { type LaunchSettings, buildArgv } from '../../lib/qemu/argv.ts';
import { probeCapabilities } from '../../lib/qemu/capabilities.ts';
import { consoleTarget } from '../../lib/qemu/chardev.ts';
import {
  injectNmi,
  queryBlockStats,
  queryChardev,
  queryCpus,
  queryIoThreads,
  quit,
  ready,
  setAction,
  setLink,
  setThrottle,
  systemReset,
} from '../../lib/qemu/commands.ts';
import type { QmpClient } from '../../lib/qemu/qmp.ts';
import { bareDomain, plainLaunch } from '../fixtures/qmp/domains.ts';
import { numaGuest, particularGuest, tellingGuest, wholeMachine } from '../fixtures/qmp/machines.ts';
import { findQemus, type TestQemu } from '../setup/qemus.ts';
import { throttleArguments } from '../../lib/qemu/argv-disk-hardware.ts';
import { diskBackend, diskId } from '../../lib/qemu/argv-disks.ts';
import { type Machine, startMachine, temporaryDirectory, writeImages } from './machine.ts';

const qemus = await findQemus();

const cache = await mkdtemp(path.join(tmpdir(), 'domctl-capabilities-'));
afterAll(() => rm(cache, { recursive: true, force: true }));

async function launchOf({ emulator }: TestQemu, directory: string): Promise<LaunchSettings> {
  const capabilities = await probeCapabilities(emulator!, cache);
  return { ...plainLaunch, capabilities, qmpSocket: path.join(directory, 'qmp'), socketDir: directory };
}

/** A machine that is up, with its monitor. */
interface Up {
  readonly machine: Machine;
  readonly client: QmpClient;
}

async function start(domain: Domain, launch: LaunchSettings): Promise<Up> {
  const machine = startMachine(launch.capabilities.emulator, buildArgv(domain, launch), launch.qmpSocket);
  try {
    const client = await machine.connect();
    expect(await ready(client)).toEqual({ status: 'prelaunch', running: false });
    return { machine, client };
  } catch (error) {
    throw new Error(machine.stderr(), { cause: error });
  }
}

async function endQuietly({ machine, client }: Up): Promise<void> {
  await quit(client);
  expect(await machine.exited).toBe(0);
  expect(machine.stderr()).toBe('');
}

describe.for(qemus)('a whole machine in QEMU $label', { timeout: 30_000 }, (qemu) => {
  test.skipIf(qemu.skipReason).for(['q35', 'pc'] as const)(
    'starts on %s with everything there is, without a warning, and answers a manager',
    async (board) => {
      const directory = await temporaryDirectory();
      await writeImages(directory);
      const domain = wholeMachine(directory, board);
      const up = await start(domain, await launchOf(qemu, directory));
      const { client } = up;
      const threads = (await queryCpus(client)).map(({ threadId }) => threadId);
      expect(new Set(threads).size).toBe(domain.currentVcpus);
      const stats = await queryBlockStats(client);
      const media = stats.map(({ device, file }) => `${device} ${file === null ? 'empty' : 'full'}`);
      const told = domain.disks.map((each) => `${diskId(each, domain)} ${each.source === null ? 'empty' : 'full'}`);
      expect(media.toSorted()).toEqual(told.toSorted());
      expect(consoleTarget(domain, directory)).toEqual({ kind: 'pty', chardev: 'charserial0' });
      const pty = (await queryChardev(client)).find(({ label }) => label === 'charserial0');
      expect(pty?.filename).toMatch(/^pty:\/dev\/pts\/\d+$/);
      for (const each of domain.disks) {
        if (each.throttle !== null)
          await setThrottle(client, throttleArguments(diskBackend(each, domain), each.throttle));
      }
      for (const [index] of domain.interfaces.entries()) await setLink(client, `net${index}`, false);
      await setAction(client, { reboot: 'reset', shutdown: 'poweroff', panic: 'shutdown', watchdog: 'none' });
      await systemReset(client);
      await injectNmi(client);
      await endQuietly(up);
    },
  );

  test.skipIf(qemu.skipReason)(
    'has firmware in flash, and knows every property of what needs a companion',
    async () => {
      const directory = await temporaryDirectory();
      await writeImages(directory);
      const [code, vars] = ['code', 'vars'].map((name) => path.join(directory, name)) as [string, string];
      for (const chip of [code, vars]) {
        await writeFile(chip, '');
        await truncate(chip, 2 ** 17);
      }
      const chips = { code, codeFormat: 'raw', type: 'pflash', readonly: true, vars, varsFormat: 'raw' } as const;
      const launch = await launchOf(qemu, directory);
      const up = await start(bareDomain, { ...launch, firmware: { ...chips, secure: true } });
      for (const [typename, properties] of [
        ['vhost-user-fs-pci', ['bootindex', 'chardev', 'queue-size', 'tag']],
        ['cirrus-vga', ['acpi-index']],
        ['tpm-crb', ['tpmdev']],
        ['tpm-tis', ['tpmdev']],
        ['vfio-pci', ['host', 'sysfsdev', 'display', 'rombar', 'romfile', 'bootindex']],
        ['vfio-pci-nohotplug', ['ramfb']],
        ['usb-host', ['hostdevice', 'guest-reset', 'guest-resets-all', 'bootindex']],
        ['vhost-vsock-pci', ['guest-cid', 'vhostfd', 'packed']],
        ['virtio-net-pci', ['mq', 'vectors', 'host_mtu']],
      ] as const) {
        const known = await up.client.execute('device-list-properties', { typename });
        expect(known).toEqual(expect.arrayContaining(properties.map((name) => expect.objectContaining({ name }))));
      }
      await endQuietly(up);
    },
  );

  test.skipIf(qemu.skipReason)('knows everything that guests are told', async () => {
    const directory = await temporaryDirectory();
    const up = await start(tellingGuest, await launchOf(qemu, directory));
    const known = await up.client.execute('device-list-properties', { typename: 'qemu64-x86_64-cpu' });
    const flags = [
      ...hypervSwitches,
      'passthrough',
      'stimer',
      'stimer-direct',
      'tlbflush',
      'tlbflush-direct',
      'tlbflush-ext',
    ];
    const names = ['kvm-hint-dedicated', ...flags.map((flag) => `hv-${flag.replaceAll('_', '-')}`)];
    expect(known).toEqual(expect.arrayContaining(names.map((name) => expect.objectContaining({ name }))));
    await endQuietly(up);
  });

  test.skipIf(qemu.skipReason)('has nodes of its own, each with its memory', async () => {
    const directory = await temporaryDirectory();
    const launch = await launchOf(qemu, directory);
    const up = await start(numaGuest, launch);
    const cpus = z.array(z.object({ props: z.object({ 'node-id': z.number() }) }));
    const nodes = cpus.parse(await up.client.execute('query-hotpluggable-cpus')).map(({ props }) => props['node-id']);
    expect(nodes.toSorted()).toEqual([0, 0, 1]);
    const backends = z.array(z.object({ id: z.string(), size: z.number(), share: z.boolean() }));
    expect(backends.parse(await up.client.execute('query-memdev'))).toEqual(
      expect.arrayContaining([
        { id: 'ram-node0', size: 32 * 2 ** 20, share: true },
        { id: 'ram-node1', size: 32 * 2 ** 20, share: false },
      ]),
    );
    await endQuietly(up);
  });

  test.skipIf(qemu.skipReason)(
    'says who it is, serves a disk by a thread of its own, has modules of memory',
    async () => {
      const directory = await temporaryDirectory();
      await writeImages(directory);
      // The header alone, which tells its length.
      const table = Buffer.alloc(36);
      table.writeUInt32LE(table.length, 4);
      await writeFile(path.join(directory, 'table'), table);
      const up = await start(particularGuest(directory), await launchOf(qemu, directory));
      expect((await queryIoThreads(up.client)).map(({ name }) => name).toSorted()).toEqual(['iothread1', 'iothread5']);
      expect(await up.client.execute('query-memory-devices')).toMatchObject([
        { type: 'dimm', data: { id: 'dimm1', slot: 1, node: 1, size: 32 * 2 ** 20 } },
      ]);
      expect(await up.client.execute('query-vm-generation-id')).toEqual({
        guid: '43dc0cf8-809b-4adb-9bea-a9abb5f3d90e',
      });
      await endQuietly(up);
    },
  );

  test.skipIf(qemu.skipReason)('has blocks of memory to give', async () => {
    const directory = await temporaryDirectory();
    const size = 32 * 2 ** 20;
    const blocks = { model: 'virtio-mem', sizeBytes: size, blockBytes: 2 ** 21, requestedBytes: 2 ** 22 } as const;
    const plain = { access: null, discard: null, pageBytes: null, nodes: null, base: null, dynamicSlots: null };
    const memoryModules = [{ ...blocks, ...plain, node: 1, address: null }];
    const maxMemory = { bytes: 2 ** 30, slots: 0 };
    const up = await start({ ...numaGuest, maxMemory, memoryModules }, await launchOf(qemu, directory));
    expect(await up.client.execute('query-memory-devices')).toMatchObject([
      { type: 'virtio-mem', data: { id: 'virtiomem0', node: 1, 'max-size': size, 'requested-size': 2 ** 22 } },
    ]);
    await endQuietly(up);
  });

  test.skipIf(qemu.skipReason)('has variables in an image as well', async () => {
    const directory = await temporaryDirectory();
    await writeImages(directory);
    const [code, vars] = ['root.raw', 'data.qcow2'].map((name) => path.join(directory, name)) as [string, string];
    const chips = { code, codeFormat: 'raw', type: 'pflash', readonly: true, vars, varsFormat: 'qcow2' } as const;
    const launch = await launchOf(qemu, directory);
    await endQuietly(await start(bareDomain, { ...launch, firmware: { ...chips, secure: false } }));
  });
});
