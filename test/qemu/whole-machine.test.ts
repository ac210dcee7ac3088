import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Domain } from '../../lib/domain/definition.ts';
import { type LaunchSettings, buildArgv } from '../../lib/qemu/argv.ts';
import { probeCapabilities } from '../../lib/qemu/capabilities.ts';
import { quit, ready } from '../../lib/qemu/commands.ts';
import { bareDomain, plainLaunch } from '../fixtures/qmp/domains.ts';
import { at, wholeMachine } from '../fixtures/qmp/machines.ts';
import { findQemus, type TestQemu } from '../setup/qemus.ts';
import { type Machine, startMachine, temporaryDirectory, writeImages } from './machine.ts';

const qemus = await findQemus();

async function launchOf({ emulator }: TestQemu, directory: string): Promise<LaunchSettings> {
  const capabilities = await probeCapabilities(emulator!, path.join(directory, 'cache'));
  return { ...plainLaunch, capabilities, qmpSocket: path.join(directory, 'qmp'), socketDir: directory };
}

function start(domain: Domain, launch: LaunchSettings): Machine {
  return startMachine(launch.capabilities.emulator, buildArgv(domain, launch), launch.qmpSocket);
}

describe.for(qemus)('a whole machine in QEMU $label', { timeout: 30_000 }, (qemu) => {
  test.skipIf(qemu.skipReason).for(['q35', 'pc'] as const)('starts on %s with everything there is', async (board) => {
    const directory = await temporaryDirectory();
    await writeImages(directory);
    const machine = start(wholeMachine(directory, board), await launchOf(qemu, directory));
    const client = await machine.connect().catch((error: unknown) => {
      throw new Error(machine.stderr(), { cause: error });
    });
    expect(await ready(client)).toEqual({ status: 'prelaunch', running: false });
    await quit(client);
    expect(await machine.exited).toBe(0);
    console.log(machine.stderr());
  });
});
