/** A machine whose force-start is short of memory, and what is to be seen of its brake: by the kernel's own files and by the product. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { sum } from '../../lib/admission/ledger.ts';
import type { DomainInfo, IncarnationInfo, StartAnswer } from '../../lib/client/contract.ts';
import { DomctlError } from '../../lib/errors.ts';
import { cont } from '../../lib/qemu/commands.ts';
import { QmpClient } from '../../lib/qemu/qmp.ts';
import { processorMs } from '../bench/processes.ts';
import { cgroupTree, eventually, hierarchy, isAlive, MiB } from './facts.ts';
import { createHost, type Holder, type Host, nobody } from './harness.ts';

const guestMiB = 256;
/** What its boot sector dirties, as fast as it can. */
export const dirtiedMiB = 220;
const overhead = { fixed: '64MiB', perVcpu: '1MiB', memory: '0%' };

/** A disk whose boot sector dirties memory for ever. */
function dirtyingDisk(host: Host): string {
  const [object, image] = [host.at('dirty.o'), host.at('dirty.img')];
  const pages = (dirtiedMiB * MiB) / 4096;
  execFileSync('as', ['--32', '--defsym', `PAGES=${pages}`, '-o', object, 'test/fixtures/programs/dirty.S']);
  execFileSync('ld', ['-m', 'elf_i386', '-Ttext=0x7c00', '--oformat=binary', '-o', image, object]);
  execFileSync('truncate', ['-s', '1M', image]);
  chownSync(image, nobody, nobody);
  return image;
}

/** A firmware that dirties as much, once; `wishes` are those of firmware.S. */
function dirtyingFirmware(host: Host, wishes: Readonly<Record<string, number>>): string {
  const [object, image] = [host.at('firmware.o'), host.at('firmware.bin')];
  const symbols = Object.entries({ PAGES: (dirtiedMiB * MiB) / 4096, ...wishes });
  const words = symbols.flatMap(([name, value]) => ['--defsym', `${name}=${value}`]);
  execFileSync('as', ['--32', ...words, '-o', object, 'test/fixtures/programs/firmware.S']);
  execFileSync('ld', ['-m', 'elf_i386', '-Ttext=0', '--oformat=binary', '-o', image, object]);
  return `<loader readonly='yes' type='rom'>${image}</loader>`;
}

interface Stage {
  readonly host: Host;
  readonly holder: Holder;
}

interface Wanted {
  readonly policy?: object;
  /** Its guest is a firmware with these wishes, and no disk's boot sector. */
  readonly firmware?: Readonly<Record<string, number>>;
  /** XML of another device. */
  readonly device?: string;
}

function xmlOf(host: Host, { firmware, device = '' }: Wanted): string {
  const disks = firmware ? [] : [dirtyingDisk(host)];
  const xml = host.xml({ name: 'db1', memoryMiB: guestMiB, shared: true, disks, policy: 'short' });
  return (
    xml
      // Touched by its guest and nobody before it: what can be braked.
      .replace("<allocation mode='immediate'/>", '')
      .replace('</os>', `${firmware ? dirtyingFirmware(host, firmware) : ''}</os>`)
      .replace('</devices>', `${device}</devices>`)
  );
}

/** db1's first incarnation drains, its memory held by another process. */
async function drained(wanted: Wanted): Promise<Stage> {
  const { policy } = wanted;
  const host = await createHost({
    policies: {
      short: { forceStart: { maxShortfall: '90%', maxDrainTime: 'unlimited', maxPressure: '100%' }, ...policy },
    },
    hostYaml: { overhead },
  });
  await host.define(xmlOf(host, wanted));
  await host.ok('start', 'db1');
  const { pid } = await eventually('its guest has dirtied its memory', async () => {
    const info = await host.info('db1');
    return (info.heldBytes ?? 0) > dirtiedMiB * MiB && info;
  });
  const holder = await host.holdMemory(pid!);
  await host.ok('destroy', 'db1');
  expect(await host.state('db1')).toBe('draining');
  return { host, holder };
}

const brakedLine = /^Braked: db1 begins with 0\.\d GiB of 0\.\d GiB(?:, all of it in about .+)?$/m;

/** Force-starts it some 120 MiB short: other programs come and go, so the reserve is set anew until the arithmetic is the one wanted. */
export async function braked(wanted: Wanted = {}): Promise<Stage & { readonly id: number }> {
  const { host, holder } = await drained(wanted);
  const answer = await eventually('a shortfall while it drains', async () => {
    const { memory } = await host.client().resources();
    const wantedBytes = (guestMiB + 65 + 136) * MiB;
    const reserve = `${Math.floor((memory!.totalBytes - memory!.foreignBytes - wantedBytes) / MiB)}MiB`;
    host.writeHostYaml({ allowedPolicies: ['short'], overhead, capacity: { reserve } });
    const shown = await host.domctl(['force-start', 'db1', '--dry-run']);
    // Other programs may have given memory back meanwhile: then nothing is short.
    if (shown.exit !== 0 || shown.stdout.includes('to spare')) return false;
    expect(shown.stdout).toMatch(brakedLine);
    const wouldBe = await forced(host, { dryRun: true });
    const shortBytes = wouldBe?.arithmetic.shortfallBytes ?? 0;
    if (shortBytes < 60 * MiB || shortBytes > 180 * MiB) return false;
    const begun = await forced(host, {});
    if (begun === null || begun.arithmetic.shortfallBytes > 0) return begun;
    await host.ok('destroy', 'db1');
    return false;
  });
  return { host, holder, id: answer.id! };
}

/** Without a program in between, so that little changes from one to the next; null: refused. */
async function forced(host: Host, how: { dryRun?: boolean }): Promise<StartAnswer | null> {
  try {
    return await host.client().start('db1', { force: true, ...how });
  } catch (error) {
    if (error instanceof DomctlError) return null;
    throw error;
  }
}

export async function current(host: Host): Promise<IncarnationInfo> {
  return (await host.info('db1')).incarnations[0]!;
}

/** As the kernel says it of every threaded child of the incarnation. */
export function isFrozen(host: Host, id: number): boolean {
  const own = cgroupTree(host.cgroupRoot).filter((directory) => directory.includes(`/vm-db1/${id}/`));
  return own.some((directory) => {
    try {
      return /^frozen 1$/m.test(readFileSync(join(directory, 'cgroup.events'), 'utf8'));
    } catch {
      return false;
    }
  });
}

/** Pids of guards that hold a brake for this host. */
export function guardsOf(host: Host): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return words.includes('domctl-brake') && words.includes(host.cgroupRoot);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Whether vCPUs stood still when the daemon was killed, and after how long none did. */
export interface Killed {
  readonly wasFrozen: boolean;
  readonly thawedAfterMs: number;
}

/** Without a manager its guest runs free where no fence can be; where there is one, it is still raised. */
export async function killDaemon(host: Host, id: number): Promise<Killed> {
  const pid = await host.daemonPid();
  const wasFrozen = isFrozen(host, id);
  const began = performance.now();
  process.kill(pid, 'SIGKILL');
  await eventually('the daemon is dead', () => !isAlive(pid));
  await eventually('nothing is frozen', () => !isFrozen(host, id), 1000);
  const thawedAfterMs = Math.round(performance.now() - began);
  if (hierarchy.kind === 'unified') expect(guardsOf(host)).toHaveLength(1);
  else await eventually('the guard has ended', () => guardsOf(host).length === 0, 1000);
  return { wasFrozen, thawedAfterMs };
}

/** What was paused for memory stays so until the next daemon, or until somebody tells its hypervisor to go on. */
export async function letRun(host: Host, id: number): Promise<void> {
  const qmp = await QmpClient.connect(host.at(`run/incarnations/${id}/qmp.sock`), {
    deadlineMs: 10_000,
    onEvent: () => undefined,
  });
  await cont(qmp);
  qmp.close();
  await qmp.closed;
}

/** How often QEMU has said that the incarnation was reset: events of a guest that does so in a row count as one. */
export function resets(host: Host, id: number): number {
  const lines = host.log.split('\n').filter((line) => line.includes(`"incarnation":${id},`));
  return lines.filter((line) => line.includes('"qmp":"RESET"')).length;
}

/** Takes whatever a hypervisor sends it. */
export async function openSink(path: string): Promise<Server> {
  const server = createServer((socket) => void socket.on('error', () => undefined).resume());
  server.listen(path);
  await once(server, 'listening');
  chmodSync(path, 0o777);
  onTestFinished(() => void server.close());
  return server;
}

const measuredMs = 3000;

/** Of one processor, what these take together while nobody asks anything. */
export async function processorShare(pids: readonly number[]): Promise<number> {
  const spentMs = (): number => sum(pids.map(processorMs));
  const before = spentMs();
  const began = performance.now();
  await pause(measuredMs);
  return (spentMs() - before) / (performance.now() - began);
}

export async function pausedForMemory(host: Host): Promise<DomainInfo> {
  return eventually('it is paused for memory', async () => {
    const info = await host.info('db1');
    return info.state === 'paused' && info.reason === 'memory' && info;
  });
}
