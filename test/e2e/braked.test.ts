/** A force-start that is short of memory: it begins braked, stands still in truth, and goes on by itself; no manager's death freezes it. */
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Launch } from '../../lib/domain/incarnation.ts';
import { patient } from '../setup/slowness.ts';
import {
  braked,
  current,
  dirtiedMiB,
  guardsOf,
  isFrozen,
  type Killed,
  killDaemon,
  letRun,
  openSink,
  pausedForMemory,
  processorShare,
  resets,
} from './braking.ts';
import { eventually, hierarchy, MiB } from './facts.ts';
import { describeEndToEnd } from './harness.ts';

const watchdogMs = 6000;
const usualKills = 2;
/** More of them for figures. */
const kills = Number(process.env['DOMCTL_TEST_KILLS'] ?? usualKills);
const timeout = patient(120_000 + kills * 20_000);

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

  test('a daemon that is killed leaves nothing frozen, however often, and the next one alone brakes again', {
    timeout,
  }, async () => {
    const { host, holder, id } = await braked();
    await using _ = host;
    const killed: Killed[] = [];
    await eventually('its vCPUs stand still', () => isFrozen(host, id));
    for (let count = 0; count < kills; count += 1) {
      killed.push(await killDaemon(host, id));
      await letRun(host, id);
      const next = host.begin(['daemon', 'start']);
      await eventually('its vCPUs stand still again', () => isFrozen(host, id));
      expect((await next.done).exit).toBe(0);
      expect((await current(host)).brake).not.toBeNull();
      await eventually('a guard holds it, and no other', () => guardsOf(host).length === 1);
    }
    expect(killed[0]?.wasFrozen).toBe(true);
    if (kills > usualKills) process.stderr.write(`daemons killed: ${JSON.stringify(killed)}\n`);
    await holder.letGo();
    await eventually('it has all it was promised', async () => (await current(host)).brake === null);
    await host.becomes('db1', 'running');
  });

  test('a guest that resets itself again and again comes to its end, and its monitor answers meanwhile', async () => {
    const { host, holder, id } = await braked({ firmware: { RESET: 512 } });
    await using _ = host;
    const query = ['qemu-monitor-command', 'db1', '{"execute":"query-status"}'];
    for (let count = 0; count < 5; count += 1) expect(await host.domctl(query)).toMatchObject({ exit: 0 });
    await pausedForMemory(host);
    for (let count = 0; count < 5; count += 1) expect(await host.domctl(query)).toMatchObject({ exit: 0 });
    const before = resets(host, id);
    expect(before).toBeGreaterThan(0);
    expect(host.history(id)).not.toContain('lost');
    await holder.letGo();
    await eventually('its guest has dirtied its memory', async () => {
      return ((await current(host)).heldBytes ?? 0) > dirtiedMiB * MiB;
    });
    await host.becomes('db1', 'running');
    expect(resets(host, id)).toBeGreaterThan(before);
  });

  test('costs its guard and the daemon little processor time, and nothing when it is over', async () => {
    const { host, holder } = await braked();
    await using _ = host;
    await pausedForMemory(host);
    const braking = await processorShare([await host.daemonPid(), ...guardsOf(host)]);
    await holder.letGo();
    await eventually('it has all it was promised', async () => (await current(host)).brake === null);
    await eventually('the guard has ended', () => guardsOf(host).length === 0);
    const idle = await processorShare([await host.daemonPid()]);
    if (process.env['DOMCTL_TEST_FIGURES'])
      process.stderr.write(`shares of one processor: ${JSON.stringify({ braking, idle })}\n`);
    // Whatever turns in a circle takes all of one.
    expect(braking).toBeLessThan(0.5);
    expect(idle).toBeLessThan(0.25);
  });

  test('a migration that begins while it stands still comes to its end, or to the fence where there is one', async () => {
    const { host, holder, id } = await braked();
    await using _ = host;
    const sink = await openSink(host.at('sink'));
    await eventually('its vCPUs stand still', () => isFrozen(host, id));
    const migrate = { execute: 'migrate', arguments: { uri: `unix:${host.at('sink')}` } };
    expect(await host.domctl(['qemu-monitor-command', 'db1', JSON.stringify(migrate)])).toMatchObject({ exit: 0 });
    if (hierarchy.kind === 'unified') {
      // The guest shares its memory: what it never had is charged when it is read.
      const outcome = await eventually('the fence has ended it', async () => {
        const { lastOutcome } = await host.info('db1');
        return lastOutcome?.id === id && lastOutcome;
      });
      expect(outcome).toMatchObject({ kind: 'crashed', signal: 9, rung: 'itself', oomKilled: true });
    } else {
      await eventually('all of it is sent', async () => {
        const answer = await host.ok('qemu-monitor-command', 'db1', '{"execute":"query-migrate"}');
        return /"status": *"completed"/.test(answer);
      });
      expect(await host.domctl(['destroy', 'db1'])).toMatchObject({ exit: 0 });
    }
    sink.close();
    await holder.letGo();
    await host.becomes('db1', 'shut off');
  });

  test('a watchdog of six seconds does not fire in longer, and does when its guest stops petting it', async () => {
    const device = "<watchdog model='ib700' action='pause'/>";
    const { host, holder } = await braked({ firmware: { WATCHDOG: 12 }, device });
    await using _ = host;
    await pausedForMemory(host);
    await pause(watchdogMs + 2000);
    expect(await host.ok('domstate', 'db1', '--reason')).toMatch(/^paused \(memory\), predecessor 1 draining/);
    expect(await host.ok('event', 'db1', '--since', '1h')).not.toContain("event 'watchdog'");
    await holder.letGo();
    await eventually('its guest has dirtied its memory', async () => {
      return ((await current(host)).heldBytes ?? 0) > dirtiedMiB * MiB;
    });
    await eventually('it fires', async () => (await host.info('db1')).reason === 'watchdog');
  });

  test('onStall stop-new ends the new one when the awaited memory stops falling', async () => {
    const { host, holder, id } = await braked({
      policy: { brake: { onStall: 'stop-new' }, teardown: { stalledAfter: '1s' } },
    });
    await using _ = host;
    await eventually(
      'the new one is ended',
      async () => !(await host.info('db1')).incarnations.some((one) => one.id === id && one.state !== 'draining'),
    );
    await holder.letGo();
    await host.becomes('db1', 'shut off');
  });
});
