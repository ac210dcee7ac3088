/** Whole guests, end to end: what is asked of them, what they do by themselves, and what the definition makes of it. */
import { chownSync } from 'node:fs';
import { expect, test, type TestContext, vi } from 'vitest';
import { type Console, longPatienceMs } from './console.ts';
import { fullGuest } from './full.ts';
import { smallGuest } from './small.ts';
import { patient } from '../setup/slowness.ts';
import { type GuestSpec, freePort, guestXml, startWatched } from '../e2e/guests.ts';
import { eventually } from '../e2e/facts.ts';
import { createHost, describeEndToEnd, type Host, nobody } from '../e2e/harness.ts';

// One of them boots its guest six times, without KVM.
vi.setConfig({ testTimeout: patient(300_000) });

const small = await smallGuest();
const full = await fullGuest();
const isReady = /domctl-guest: ready/;

/** Defines the domain `web1` with the small guest in it and starts it; gives its console from the first byte on. */
async function startSmall(
  context: TestContext,
  host: Host,
  spec: Omit<GuestSpec, 'name' | 'small'> = {},
): Promise<Console> {
  if (!small.found) return context.skip(small.skipReason);
  await host.define(guestXml({ name: 'web1', small: small.found, ...spec }));
  return startWatched(host, 'web1');
}

/** It boots, does what it wishes, and boots again: the same hypervisor, the same incarnation. */
async function beginsAnew(context: TestContext, spec: Parameters<typeof startSmall>[2]): Promise<void> {
  await using host = await createHost();
  const console = await startSmall(context, host, spec);
  await console.waitFor(isReady);
  const { pid, id } = await host.info('web1');
  await console.waitFor(isReady);
  expect(await host.info('web1')).toMatchObject({ pid, id });
}

/** Runs domctl until the guest's agent could be asked: the guest says that it is ready a moment before its agent is. */
async function byAgent(host: Host, ...args: readonly string[]): Promise<void> {
  await eventually('its agent is asked', async () => {
    const { exit, stderr } = await host.domctl([...args, '--mode', 'agent']);
    if (stderr.includes('could not be asked: it is not running')) return false;
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    return true;
  });
}

async function answers(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  return answer.text();
}

describeEndToEnd('a whole guest', () => {
  test('is logged in to, reached, held, rebooted in every way and shut down by its agent, all in one incarnation', async (context) => {
    // There a page is a mapping of its host's, which allows a process 65,530 and kills it beyond.
    if (process.env['DOMCTL_LAB'] === 'uml') context.skip('user-mode Linux has not the mappings for six boots');
    await using host = await createHost();
    const port = await freePort();
    const disks = [{ path: host.image('a.img'), format: 'raw' }] as const;
    const console = await startSmall(context, host, { port, disks });
    await console.waitFor(isReady);
    const { pid, id } = await host.info('web1');
    await console.logIn('root');
    console.send('echo $(ls /sys/block) $((6 * 7))\n');
    await console.waitFor(/^vda 42\r?$/);
    expect(await answers(port)).toBe('hello\n');

    await host.ok('suspend', 'web1');
    console.send('echo $((6 * 8))\n');
    expect(await host.ok('domstate', 'web1', '--reason')).toBe('paused (user)\n');
    expect(console.said).not.toContain('48');
    await host.ok('resume', 'web1');
    await console.waitFor(/^48\r?$/);

    console.send('reboot -f\n');
    await console.waitFor(isReady);
    await byAgent(host, 'reboot', 'web1', '--wait');
    await console.waitFor(isReady);
    await host.ok('reboot', 'web1', '--mode', 'acpi', '--wait');
    await console.waitFor(isReady);
    await host.ok('reset', 'web1');
    await console.waitFor(isReady);
    expect(await host.info('web1')).toMatchObject({ pid, id, state: 'running' });
    await byAgent(host, 'shutdown', 'web1', '--wait');
    await console.waitFor(/domctl-guest: poweroff/);
    const { state, lastOutcome } = await host.info('web1');
    expect({ state, lastOutcome }).toMatchObject({
      state: 'shut off',
      lastOutcome: { kind: 'shutdown', exitCode: 0, id },
    });
  });

  test('obeys the power button', async (context) => {
    await using host = await createHost();
    const console = await startSmall(context, host);
    await console.waitFor(isReady);
    await host.ok('shutdown', 'web1', '--mode', 'acpi', '--wait');
    await console.waitFor(/domctl-guest: power button/);
    expect((await host.info('web1')).lastOutcome).toMatchObject({ kind: 'shutdown', rung: 'itself' });
  });

  test('that ignores what it is asked is left running', async (context) => {
    await using host = await createHost();
    const console = await startSmall(context, host, { wishes: 'domctl.shutdown=ignore' });
    await console.waitFor(isReady);
    const { pid } = await host.info('web1');
    await host.ok('shutdown', 'web1', '--mode', 'acpi');
    await console.waitFor(/domctl-guest: power button ignored/);
    await byAgent(host, 'shutdown', 'web1');
    await console.waitFor(/domctl-guest: poweroff ignored/);
    const late = await host.domctl(['shutdown', 'web1', '--wait', '--timeout', '1s']);
    expect(late.exit).toBe(10);
    expect(await host.info('web1')).toMatchObject({ pid, state: 'running' });
  });
});

describeEndToEnd('a guest that panics', () => {
  const wishes = 'domctl.panic=0';

  test('is ended by on_crash=destroy, and shut off (crashed)', async (context) => {
    await using host = await createHost();
    await startSmall(context, host, { wishes, lifecycle: '<on_crash>destroy</on_crash>' });
    await host.becomes('web1', 'shut off');
    expect(await host.ok('domstate', 'web1', '--reason')).toBe('shut off (crashed)\n');
  });

  test('begins anew by on_crash=restart, in the same incarnation', async (context) => {
    await beginsAnew(context, { wishes, lifecycle: '<on_crash>restart</on_crash>' });
  });

  test('is kept as it is by on_crash=preserve', async (context) => {
    await using host = await createHost();
    await startSmall(context, host, { wishes, lifecycle: '<on_crash>preserve</on_crash>' });
    await host.becomes('web1', 'crashed');
    expect(await host.ok('domstate', 'web1', '--reason')).toBe('crashed (panicked)\n');
    expect((await host.domctl(['resume', 'web1'])).exit).toBe(4);
    await host.ok('destroy', 'web1', '--wait');
  });
});

describeEndToEnd('a guest that ends by itself', () => {
  test('is ended at its reboot by on_reboot=destroy', async (context) => {
    await using host = await createHost();
    await startSmall(context, host, { wishes: 'domctl.reboot=0', lifecycle: '<on_reboot>destroy</on_reboot>' });
    await host.becomes('web1', 'shut off');
    expect((await host.info('web1')).lastOutcome).toMatchObject({ rung: 'itself', exitCode: 0 });
  });

  test('begins anew at its power-off by on_poweroff=restart, in the same incarnation', async (context) => {
    await beginsAnew(context, { wishes: 'domctl.poweroff=0', lifecycle: '<on_poweroff>restart</on_poweroff>' });
  });

  test('is held when its watchdog fires and pauses it', async (context) => {
    await using host = await createHost();
    await startSmall(context, host, { wishes: 'domctl.watchdog=starve', watchdog: 'pause' });
    await host.becomes('web1', 'paused');
    expect(await host.ok('domstate', 'web1', '--reason')).toBe('paused (watchdog)\n');
  });
});

describeEndToEnd('a whole Debian', () => {
  test('boots from its disk, is reached over the network, and is shut down', {
    timeout: 1_200_000,
  }, async (context) => {
    if (!full.found) return context.skip(full.skipReason);
    await using host = await createHost();
    const { overlay, user, password } = full.found;
    const path = host.at('debian.qcow2');
    await overlay(path);
    chownSync(path, nobody, nobody);
    const port = await freePort();
    await host.define(guestXml({ name: 'debian', memoryMiB: 512, disks: [{ path, format: 'qcow2' }], port }));
    const console = await startWatched(host, 'debian');
    await console.logIn(user, password, longPatienceMs);
    expect(await answers(port)).toBe('hello\n');
    await byAgent(host, 'shutdown', 'debian', '--wait');
    expect((await host.info('debian')).lastOutcome).toMatchObject({ kind: 'shutdown', rung: 'itself' });
  });
});
