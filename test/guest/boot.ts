/** A test guest in a QEMU that the test itself starts, with everything a manager might talk to. */
import path from 'node:path';
import { truncate, writeFile } from 'node:fs/promises';
import { onTestFinished } from 'vitest';
import { cont, ready } from '../../lib/qemu/commands.ts';
import type { QmpClient } from '../../lib/qemu/qmp.ts';
import { type Machine, startMachine, temporaryDirectory } from '../qemu/machine.ts';
import { eventually } from '../e2e/facts.ts';
import { findQemus } from '../setup/qemus.ts';
import { Console } from './console.ts';

/** The host's QEMU, or whichever there is. */
export async function anyEmulator(): Promise<string | null> {
  const qemus = await findQemus();
  return qemus.find(({ emulator }) => emulator !== null)?.emulator ?? null;
}

export interface Booted {
  readonly machine: Machine;
  readonly qmp: QmpClient;
  readonly serial: Console;
  /** Path of the guest agent's socket. */
  readonly agent: string;
  /** Path of the pseudo-terminal behind the virtio console. */
  readonly hvc: string;
  /** An empty raw image, /dev/vda. */
  readonly disk: string;
}

const MiB = 2 ** 20;

/** Starts the guest with `argv` besides: at least what it boots from. Ended with the test. */
export async function boot(emulator: string, argv: readonly string[]): Promise<Booted> {
  const directory = await temporaryDirectory();
  const at = (name: string): string => path.join(directory, name);
  await writeFile(at('disk'), '');
  await truncate(at('disk'), 16 * MiB);
  const machine = startMachine(emulator, [...devices(at), ...argv], at('qmp'));
  const qmp = await machine.connect();
  await ready(qmp);
  const serial = await Console.connect(at('serial'));
  onTestFinished(() => serial.close());
  await cont(qmp);
  return { machine, qmp, serial, agent: at('agent'), hvc: await terminalOf(qmp, 'hvc'), disk: at('disk') };
}

function devices(at: (name: string) => string): string[] {
  const socket = (id: string): string => `socket,id=${id},path=${at(id)},server=on,wait=off`;
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-S'],
    ...['-chardev', socket('qmp'), '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', socket('serial'), '-serial', 'chardev:serial'],
    ...['-device', 'virtio-serial-pci'],
    ...['-chardev', socket('agent'), '-device', 'virtserialport,chardev=agent,name=org.qemu.guest_agent.0'],
    ...['-chardev', 'pty,id=hvc', '-device', 'virtconsole,chardev=hvc'],
    ...['-drive', `if=none,id=disk,format=raw,file=${at('disk')}`, '-device', 'virtio-blk-pci,drive=disk'],
    ...['-netdev', 'user,id=net,hostfwd=tcp:127.0.0.1:0-:80', '-device', 'virtio-net-pci,netdev=net'],
    ...['-device', 'virtio-rng-pci', '-device', 'virtio-balloon-pci', '-device', 'pvpanic', '-device', 'i6300esb'],
  ];
}

interface Chardev {
  readonly label: string;
  readonly filename: string;
  readonly 'frontend-open': boolean;
}

async function queryChardev(qmp: QmpClient, name: string): Promise<Chardev> {
  return ((await qmp.execute('query-chardev')) as Chardev[]).find(({ label }) => label === name)!;
}

async function terminalOf(qmp: QmpClient, name: string): Promise<string> {
  return (await queryChardev(qmp, name)).filename.replace(/^pty:/, '');
}

/** The guest says it is ready a moment before its agent is; what is sent until then is lost. */
export async function agentIsUp({ qmp }: Booted): Promise<void> {
  await eventually('the agent has opened its port', async () => (await queryChardev(qmp, 'agent'))['frontend-open']);
}

/** What the guest's web server says to the host, through the port that QEMU chose. */
export async function fetchFromGuest(qmp: QmpClient): Promise<string> {
  const forwards = await qmp.execute('human-monitor-command', { 'command-line': 'info usernet' });
  const port = /TCP\[HOST_FORWARD\] +\S+ +127\.0\.0\.1 +(\d+)/.exec(forwards as string)?.[1];
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  return answer.text();
}

/** Waits until QEMU has told of it; gives the event's data. */
export async function told({ machine }: Booted, name: string): Promise<unknown> {
  const { data } = await eventually(`QEMU tells ${name}`, () => machine.events.find((event) => event.name === name));
  return data;
}
