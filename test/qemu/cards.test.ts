/** Every network card, the sockets behind one, and directories by 9p, in real QEMUs. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Domain } from '../../lib/domain/definition.ts';
import type { Interface } from '../../lib/domain/devices.ts';
import { cardModels, isUsbCard } from '../../lib/domain/network.ts';
import { buildArgv } from '../../lib/qemu/argv.ts';
import { probeCapabilities } from '../../lib/qemu/capabilities.ts';
import { quit, ready } from '../../lib/qemu/commands.ts';
import { bareDomain, directory, nic, plainLaunch } from '../fixtures/qmp/domains.ts';
import { findQemus } from '../setup/qemus.ts';
import { startMachine, temporaryDirectory } from './machine.ts';

const place = { address: '127.0.0.1', port: 0, local: null };

const driver = {
  ...({ rxQueueSize: 512, txQueueSize: 256, txMode: 'timer', ioeventfd: true, eventIdx: true } as const),
  ...{ rss: false, rssHashReport: false },
  host: { csum: false, gso: false, tso4: false, tso6: false, ecn: false, ufo: false, mrg_rxbuf: false },
  guest: { csum: false, tso4: false, tso6: false, ecn: false, ufo: false },
};

/** Of every model, without code of their own, which comes in packages of its own. */
function cards(devices: readonly string[], rom: string): Interface[] {
  const models = cardModels.filter((model) => model.startsWith('virtio') || devices.includes(model));
  const plain = { rom: { enabled: false, bar: null, file: null } };
  return [
    ...models.map((model, index) =>
      nic({ ...(isUsbCard(model) ? {} : plain), model, mac: `52:54:00:00:01:${String(index + 10)}` }),
    ),
    nic({ driver, acpiIndex: 9, rom: { enabled: true, bar: false, file: rom } }),
    nic({ ...plain, type: 'server', socket: place }),
    nic({ ...plain, type: 'mcast', socket: { ...place, address: '230.0.0.1', port: 11_111 } }),
    nic({ ...plain, type: 'udp', socket: { ...place, port: 9, local: { address: '127.0.0.1', port: 0 } } }),
  ];
}

const plan9 = { writesAtOnce: true, severalDevices: 'remap', fileMode: null, directoryMode: null } as const;

function directories(source: string): Domain['filesystems'] {
  const mapped = { ...plan9, accessMode: 'mapped', fileMode: '0600', directoryMode: '0700' } as const;
  return [
    directory(source, { target: '/one', plan9: { ...plan9, accessMode: 'passthrough' }, readonly: true }),
    directory(source, { target: 'two', plan9: mapped, model: 'virtio-transitional' }),
    directory(source, { target: 'three', plan9: { ...plan9, accessMode: 'squash' } }),
  ];
}

describe.for(await findQemus())('QEMU $label', { timeout: 30_000 }, (qemu) => {
  test.skipIf(qemu.skipReason)('has every card and every directory it is told of, without a warning', async () => {
    const files = await temporaryDirectory();
    const source = path.join(files, 'a,b');
    await mkdir(source);
    await writeFile(path.join(files, 'rom'), Buffer.from([0x55, 0xaa, 1, 0]));
    const capabilities = await probeCapabilities(qemu.emulator!, path.join(files, 'cache'));
    const launch = { ...plainLaunch, capabilities, qmpSocket: path.join(files, 'qmp'), socketDir: files };
    const os = { ...bareDomain.os, machine: 'pc', boot: [] };
    const interfaces = cards(capabilities.devices ?? [], path.join(files, 'rom'));
    const domain = { ...bareDomain, os, controllers: [], interfaces, filesystems: directories(source) };
    const argv = buildArgv(domain, launch);
    const machine = startMachine(qemu.emulator!, argv, launch.qmpSocket);
    const client = await machine.connect();
    expect(await ready(client)).toEqual({ status: 'prelaunch', running: false });
    await quit(client);
    expect(await machine.exited).toBe(0);
    expect(machine.stderr()).toBe('');
  });
});
