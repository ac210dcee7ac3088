/** A force-start that is short of memory: it begins braked, stands still in truth, and goes on by itself; no manager's death freezes it. */
import { execFileSync } from 'node:child_process';
import { chownSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DomainInfo, IncarnationInfo, StartAnswer } from '../../lib/client/contract.ts';
import type { Launch } from '../../lib/domain/incarnation.ts';
import { cgroupTree, eventually, hierarchy, isAlive, MiB } from './facts.ts';
import { createHost, describeEndToEnd, type Holder, type Host, nobody } from './harness.ts';

const guestMiB = 256;
/** What its boot sector dirties, as fast as it can. */
const dirtiedMiB = 220;
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

interface Stage {
  readonly host: Host;
  readonly holder: Holder;
}

/** db1's first incarnation drains, its memory held by another process. */
async function drained(policy: object = {}): Promise<Stage> {
  const host = await createHost({
    policies: {
      short: { forceStart: { maxShortfall: '90%', maxDrainTime: 'unlimited', maxPressure: '100%' }, ...policy },
    },
    hostYaml: { overhead },
  });
  const xml = host.xml({
    name: 'db1',
    memoryMiB: guestMiB,
    shared: true,
    disks: [dirtyingDisk(host)],
    policy: 'short',
  });
  // Touched by its guest and nobody before it: what can be braked.
  await host.define(xml.replace("<allocation mode='immediate'/>", ''));
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
async function braked(policy: object = {}): Promise<Stage & { readonly id: number }> {
  const { host, holder } = await drained(policy);
  const answer = await eventually('a shortfall while it drains', async () => {
    const { memory } = await host.client().resources();
    const wantedBytes = (guestMiB + 65 + 136) * MiB;
    const reserve = `${Math.floor((memory!.totalBytes - memory!.foreignBytes - wantedBytes) / MiB)}MiB`;
    host.writeHostYaml({ allowedPolicies: ['short'], overhead, capacity: { reserve } });
    const dry = await host.domctl(['force-start', 'db1', '--dry-run', '--json']);
    if (dry.exit !== 0) return false;
    const { shortfallBytes } = (JSON.parse(dry.stdout) as StartAnswer).arithmetic;
    if (shortfallBytes < 60 * MiB || shortfallBytes > 180 * MiB) return false;
    const shown = await host.domctl(['force-start', 'db1', '--dry-run']);
    if (shown.exit !== 0) return false;
    expect(shown.stdout).toMatch(brakedLine);
    const result = await host.domctl(['force-start', 'db1', '--json']);
    return result.exit === 0 && (JSON.parse(result.stdout) as StartAnswer);
  });
  return { host, holder, id: answer.id! };
}

async function current(host: Host): Promise<IncarnationInfo> {
  return (await host.info('db1')).incarnations[0]!;
}

/** As the kernel says it of every threaded child of the incarnation. */
function isFrozen(host: Host, id: number): boolean {
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
function guardsOf(host: Host): number[] {
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

async function pausedForMemory(host: Host): Promise<DomainInfo> {
  return eventually('it is paused for memory', async () => {
    const info = await host.info('db1');
    return info.state === 'paused' && info.reason === 'memory' && info;
  });
}

describeEndToEnd('a braked force-start', () => {
  test('is held within the bound, paused in truth, and goes on by itself when memory is back', async () => {
    const { host, holder, id } = await braked();
    await using _ = host;
    const { promisedBytes, brake } = host.journal().find((line) => line.launch?.id === id)?.launch as Launch;
    const { capacityBytes, limitBytes } = brake!;
    expect(limitBytes).toBeLessThan(promisedBytes);
    expect(await current(host)).toMatchObject({ brake: { beganWithBytes: limitBytes } });

    await pausedForMemory(host);
    expect(await host.ok('domstate', 'db1', '--reason')).toMatch(/^paused \(memory\), predecessor 1 draining/);
    expect(await host.ok('dominfo', 'db1')).toMatch(/^Braked: +0\.\d GiB of 0\.\d GiB, stood still for /m);
    expect(await host.ok('domstats', 'db1')).toMatch(/^ +domctl\.limit=\d+$/m);
    expect(await host.ok('list')).toMatch(/db1 +paused \(memory\)/);
    const info = await host.info('db1');
    const sum = info.incarnations.reduce((bytes, { heldBytes }) => bytes + (heldBytes ?? Infinity), 0);
    expect(sum).toBeLessThanOrEqual(capacityBytes);
    expect((await current(host)).heldBytes).toBeLessThan(limitBytes);
    const resumed = await host.domctl(['resume', 'db1']);
    expect(resumed.exit).toBe(4);
    expect(resumed.stderr).toContain('it goes on by itself as memory comes back');

    await holder.letGo();
    await host.becomes('db1', 'running');
    await eventually('it has all it was promised', async () => (await current(host)).brake === null);
    await eventually(
      'its guest has dirtied its memory',
      async () => ((await current(host)).heldBytes ?? 0) > dirtiedMiB * MiB,
    );
    await eventually('the guard has ended', () => guardsOf(host).length === 0);
    const past = await host.ok('event', 'db1', '--since', '1h');
    const told = past.match(/event '(?:braked|unbraked)'|Suspended Memory/g);
    expect(told).toEqual(["event 'braked'", 'Suspended Memory', "event 'unbraked'"]);
  });

  test('its commands complete while vCPUs stand still: suspend, reset, monitor, destroy', async () => {
    const { host, holder, id } = await braked();
    await using _ = host;
    await eventually('its vCPUs stand still', () => isFrozen(host, id));
    expect((await host.domctl(['qemu-monitor-command', 'db1', '{"execute":"query-status"}'])).exit).toBe(0);
    expect((await host.domctl(['reset', 'db1'])).exit).toBe(0);
    await eventually(
      'its vCPUs stand still, or it is paused',
      async () => isFrozen(host, id) || (await host.word('db1')) === 'paused',
    );
    expect((await host.domctl(['suspend', 'db1'])).exit).toBe(0);
    await eventually('its owner has paused it', async () => (await host.info('db1')).reason === 'user');
    const destroyed = await host.domctl(['destroy', 'db1']);
    expect(destroyed).toMatchObject({ exit: 0 });
    expect(host.history(id)).not.toContain('lost');
    await holder.letGo();
    await host.becomes('db1', 'shut off');
    expect((await host.info('db1')).lastOutcome).toMatchObject({ kind: 'destroyed', rung: 'SIGTERM' });
    expect(guardsOf(host)).toEqual([]);
  });

  test('a daemon that is killed leaves nothing frozen, and the next one brakes again', async () => {
    const { host, holder, id } = await braked();
    await using _ = host;
    await eventually('its vCPUs stand still', () => isFrozen(host, id));
    const pid = await host.daemonPid();
    process.kill(pid, 'SIGKILL');
    await eventually('the daemon is dead', () => !isAlive(pid));
    await eventually('nothing is frozen', () => !isFrozen(host, id), 1000);
    // Without a manager its guest runs free where no fence can be; where there is one, it is still raised.
    const keepsFence = hierarchy.kind === 'unified';
    if (keepsFence) expect(guardsOf(host)).toHaveLength(1);
    else await eventually('the guard has ended', () => guardsOf(host).length === 0, 1000);
    await host.nextDaemon();
    expect((await current(host)).brake).not.toBeNull();
    // The earlier one raises the fence until there is no more to raise.
    await eventually('a guard holds it', () => guardsOf(host).length === (keepsFence ? 2 : 1));
    await holder.letGo();
    await eventually('it has all it was promised', async () => (await current(host)).brake === null);
    await host.becomes('db1', 'running');
  });

  test('onStall stop-new ends the new one when the awaited memory stops falling', async () => {
    const { host, holder, id } = await braked({ brake: { onStall: 'stop-new' }, teardown: { stalledAfter: '1s' } });
    await using _ = host;
    await eventually(
      'the new one is ended',
      async () => !(await host.info('db1')).incarnations.some((one) => one.id === id && one.state !== 'draining'),
    );
    await holder.letGo();
    await host.becomes('db1', 'shut off');
  });
});
