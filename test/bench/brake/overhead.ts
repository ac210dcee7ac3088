/**
 * What a hypervisor uses beside its guest's memory, held against what `overhead` of host.yaml promises for it: whole machines
 * with a small Linux in them, started by a daemon of the bench's own, each size with each QEMU there is.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { smallGuest, type SmallGuest } from '../../guest/small.ts';
import { findQemus } from '../../setup/qemus.ts';
import { type Daemon, startDaemon } from '../daemon.ts';
import { makeScratch, withEnding } from '../ending.ts';
import { processorMs } from '../processes.ts';
import { makeImage } from '../teardown/guest.ts';
import { MiB } from './plan.ts';

/** MiB and vCPUs. */
const shapes = [
  [256, 1],
  [512, 2],
  [1024, 1],
  [1024, 4],
  [1280, 8],
] as const;
/** A guest that has come up, with its translated code. */
const settleMs = 25_000;
const idleMs = 10_000;

interface Machine {
  readonly name: string;
  readonly emulator: string;
  readonly memoryMib: number;
  readonly vcpus: number;
}

export async function overhead(): Promise<void> {
  const { found, skipReason } = await smallGuest();
  if (found === null) throw new Error(skipReason);
  await withEnding(async () => {
    const daemon = await startDaemon(makeScratch('bench-overhead-'));
    process.stdout.write(
      '| QEMU | memory MiB | vCPUs | promised MiB | charged MiB | of it anonymous, no guest memory |\n',
    );
    process.stdout.write('|---|---|---|---|---|---|\n');
    for (const { emulator, version } of await findQemus())
      for (const [memoryMib, vcpus] of emulator === null ? [] : shapes)
        await measure(
          { name: `o${memoryMib}-${vcpus}`, emulator: emulator ?? '', memoryMib, vcpus },
          version,
          found,
          daemon,
        );
    await measureIdle(daemon);
  });
}

async function measure(machine: Machine, version: string | null, guest: SmallGuest, daemon: Daemon): Promise<void> {
  const { name, memoryMib, vcpus } = machine;
  const { client, directory } = daemon;
  await client.define({ file: name, xml: machineXml(machine, guest, makeImage(join(directory, `${name}.raw`))) });
  await client.start(name, {});
  await pause(settleMs);
  const { pid, incarnations } = await client.info(name);
  const { heldBytes, promisedBytes } = incarnations[0] ?? {};
  const { guestBytes, ownBytes } = anonymous(pid ?? 0, memoryMib * MiB);
  const figures = [(promisedBytes ?? 0) - memoryMib * MiB, (heldBytes ?? 0) - guestBytes, ownBytes];
  const cells = [version, memoryMib, vcpus, ...figures.map((bytes) => (bytes / MiB).toFixed(0))];
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
  await client.destroy(name, { wait: 'off' });
}

/** Of its anonymous and shared memory, what is its guest's: the largest mapping. Bytes. */
function anonymous(pid: number, memoryBytes: number): { guestBytes: number; ownBytes: number } {
  const maps = readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const sizes = maps.map((text) => Math.max(kilobytes(text, 'Anonymous'), 0) * 1024).toSorted((a, b) => b - a);
  const all = sizes.reduce((sum, bytes) => sum + bytes, 0);
  const guestBytes = Math.min(sizes[0] ?? 0, memoryBytes);
  return { guestBytes, ownBytes: all - guestBytes };
}

function kilobytes(text: string, key: string): number {
  return Number(new RegExp(`^${key}: +(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0);
}

/** Nothing runs, nobody asks. */
async function measureIdle(daemon: Daemon): Promise<void> {
  const before = processorMs(daemon.pid);
  await pause(idleMs);
  const ms = processorMs(daemon.pid) - before;
  process.stdout.write(`the daemon, idle for ${idleMs / 1000} s: ${ms} ms of processor time\n`);
}

/** With what most machines have: a disk, a card, a screen, a line, an agent's channel. */
function machineXml({ name, emulator, memoryMib, vcpus }: Machine, guest: SmallGuest, image: string): string {
  const { kernel, initrd, cmdline } = guest;
  return `<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>${memoryMib}</memory>
  <memoryBacking><allocation mode='immediate'/></memoryBacking>
  <vcpu>${vcpus}</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>
    <kernel>${kernel}</kernel><initrd>${initrd}</initrd><cmdline>${cmdline}</cmdline></os>
  <features><acpi/><apic/></features>
  <devices>
    <emulator>${emulator}</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='${image}'/><target dev='vda' bus='virtio'/>
    </disk>
    <interface type='user'><model type='virtio'/></interface>
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <graphics type='vnc' autoport='yes'/>
    <video><model type='vga'/></video>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <watchdog model='i6300esb' action='reset'/>
  </devices>
</domain>
`;
}
