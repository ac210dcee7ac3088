/** The daemon is killed at every stage; the next one finds the machines untouched and tells the truth about them. */
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { eventually, isAlive, processesIn, startTicks } from './facts.ts';
import { createHost, describeEndToEnd } from './harness.ts';

const quick = { policies: { quick: { destroy: { killAfter: '4s' } } } };

describeEndToEnd('recovery', () => {
  test('running: the machine is untouched, and can be asked and ended as before', async () => {
    await using host = await createHost();
    const before = await host.run({ name: 'db1', disks: [host.image('a.img')] });
    const born = startTicks(before.pid!);
    await host.killDaemon();
    expect(isAlive(before.pid!)).toBe(true);
    const first = await host.nextDaemon();
    const after = await host.info('db1');
    expect(after).toMatchObject({ id: 1, pid: before.pid, state: 'running', reason: 'booted' });
    expect(after.incarnations).toHaveLength(1);
    expect(startTicks(before.pid!)).toBe(born);
    expect(processesIn(host.cgroupRoot)).toEqual([before.pid]);
    expect((await host.domctl(['start', 'db1'])).exit).toBe(4);

    await host.killDaemon();
    expect(await host.nextDaemon()).not.toBe(first);
    await eventually('the monitor is back', async () => (await host.domctl(['shutdown', 'db1'])).exit === 0);
    await eventually('the guest was asked', () => host.journal().some(({ event }) => event === 'powerdownSeen'));
    await host.ok('destroy', 'db1', '--wait');
    expect((await host.info('db1')).lastOutcome).toMatchObject({ id: 1, kind: 'destroyed', rung: 'SIGTERM' });
  });

  test('exiting: the ladder goes on', async () => {
    await using host = await createHost(quick);
    const { pid } = await host.run({ name: 'db1', emulator: host.oddQemu('stubborn'), policy: 'quick' });
    const destroying = host.begin(['destroy', 'db1', '--wait']);
    await host.becomes('db1', 'exiting');
    await host.killDaemon();
    expect((await destroying.done).exit).toBe(9);
    expect(isAlive(pid!)).toBe(true);
    await host.nextDaemon();
    expect(await host.info('db1')).toMatchObject({ id: 1, pid, state: 'exiting', reason: 'destroyed' });
    await expect(host.client().start('db1', {})).rejects.toMatchObject({ exit: 4 });
    const { lastOutcome } = await host.becomes('db1', 'shut off');
    expect(isAlive(pid!)).toBe(false);
    expect(lastOutcome).toMatchObject({ id: 1, kind: 'destroyed', rung: 'SIGKILL' });
    expect(host.history(1)).toEqual(['launching', 'running', 'exiting', 'draining', 'released']);
  });

  test('draining, and another incarnation on top: both are there once, and each ends as it must', async () => {
    await using host = await createHost();
    const first = await host.run({ name: 'db1', shared: true });
    const holder = await host.holdMemory(first.pid!);
    await host.ok('destroy', 'db1');
    await host.ok('force-start', 'db1');
    const before = await host.info('db1');
    await host.killDaemon();
    await host.nextDaemon();
    const after = await host.info('db1');
    expect(after.incarnations).toMatchObject([
      { id: 2, state: 'running', pid: before.pid, startedOver: [1] },
      { id: 1, state: 'draining', reason: 'destroyed' },
    ]);
    await eventually('the holder is named again', async () => {
      const { draining } = await host.client().drain('db1');
      return draining[0]?.holder?.includes(`(pid ${holder.pid})`);
    });
    await holder.letGo();
    await eventually('incarnation 1 is released', async () => (await host.info('db1')).incarnations.length === 1);
    expect(await host.info('db1')).toMatchObject({
      id: 2,
      state: 'running',
      lastOutcome: { id: 1, kind: 'destroyed' },
    });
  });

  test('memory that came back while nobody watched is released by the next daemon', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1', shared: true });
    const holder = await host.holdMemory(pid!);
    await host.ok('destroy', 'db1');
    await host.killDaemon();
    await holder.letGo();
    await host.nextDaemon();
    expect(await host.becomes('db1', 'shut off')).toMatchObject({
      lastOutcome: { id: 1, kind: 'destroyed', signal: null },
    });
  });

  test('launching: the next daemon finishes what was begun, with the same process', async () => {
    await using host = await createHost();
    const emulator = host.oddQemu('late');
    await host.define({ name: 'db1', emulator });
    const starting = host.begin(['start', 'db1']);
    const before = await eventually('it is born', async () => {
      const info = await host.info('db1').catch(() => null);
      return info?.pid != null && info;
    });
    expect(before.state).toBe('starting');
    await host.killDaemon();
    expect((await starting.done).exit).toBe(9);
    await host.nextDaemon();
    expect(await host.info('db1')).toMatchObject({ id: 1, state: 'starting', pid: before.pid });
    writeFileSync(`${emulator}.go`, '');
    expect(await host.becomes('db1', 'running')).toMatchObject({ id: 1, pid: before.pid });
    expect(host.journal().filter(({ kind }) => kind === 'launch')).toHaveLength(1);
  });

  test('launching, and the hypervisor died meanwhile: it failed, and its end was proven', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1', emulator: host.oddQemu('late') });
    const starting = host.begin(['start', 'db1']);
    const { pid } = await eventually('it is born', async () => {
      const info = await host.info('db1').catch(() => null);
      return info?.pid != null && info;
    });
    await host.killDaemon();
    await starting.done;
    process.kill(pid!, 'SIGKILL');
    await host.nextDaemon();
    expect((await host.becomes('db1', 'shut off')).lastOutcome).toMatchObject({ id: 1, kind: 'failed' });
    expect(host.history(1)).toEqual(['launching', 'exiting', 'draining', 'released']);
  });

  test('a queued start outlives its daemon: its client ends (9), the next daemon starts the domain', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1', shared: true });
    const holder = await host.holdMemory(pid!);
    await host.ok('destroy', 'db1');
    const waiting = host.begin(['start', 'db1', '--wait']);
    await eventually('the start is queued', async () => (await host.info('db1')).queuedStart);
    await host.killDaemon();
    const { exit, stderr } = await waiting.done;
    expect(exit).toBe(9);
    expect(stderr).toContain('error: the daemon went away before it answered\nhint: a queued start stays queued');
    await host.nextDaemon();
    expect(await host.info('db1')).toMatchObject({ state: 'draining', queued: { position: 1, attended: false } });
    const again = host.begin(['start', 'db1', '--wait']);
    await eventually('it is waited for again', async () => (await host.info('db1')).queued?.attended);
    await holder.letGo();
    expect(await again.done).toMatchObject({ exit: 0, stdout: "Domain 'db1' started (Id 2)\n" });
    expect(host.journal().filter(({ kind }) => kind === 'launch')).toHaveLength(2);
  });

  test("a queued start whose daemon was told to end is the next one's, too, and can be cancelled there", async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1', shared: true });
    const holder = await host.holdMemory(pid!);
    await host.ok('destroy', 'db1');
    const waiting = host.begin(['start', 'db1', '--wait']);
    await eventually('the start is queued', async () => (await host.info('db1')).queuedStart);
    await host.ok('daemon', 'stop');
    expect((await waiting.done).exit).toBe(9);
    await host.nextDaemon();
    expect(await host.ok('list')).toMatch(/^ +1 +db1 +start +0\.\d GiB .* incarnation 1 is still draining/m);
    expect(await host.ok('start', 'db1', '--cancel')).toBe("Queued start of domain 'db1' cancelled\n");
    await eventually('it is cancelled', async () => !(await host.info('db1')).queuedStart);
    await holder.letGo();
    await host.becomes('db1', 'shut off');
    expect(host.journal().filter(({ kind }) => kind === 'launch')).toHaveLength(1);
  });

  test('a hypervisor that died while nobody was there to see: shut off, its outcome unknown', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1', disks: [host.image('a.img')] });
    await host.killDaemon();
    process.kill(pid!, 'SIGKILL');
    await eventually('it is dead', () => !isAlive(pid!));
    await host.nextDaemon();
    expect((await host.becomes('db1', 'shut off')).lastOutcome).toMatchObject({
      kind: 'unknown',
      exitCode: null,
      signal: null,
    });
    expect(await host.ok('domstate', 'db1', '--reason')).toBe('shut off (unknown, the daemon was away)\n');
    expect(host.history(1)).toEqual(['launching', 'running', 'exiting', 'draining', 'released']);
  });

  test('a torn last line of the journal is kept aside, and ends nothing', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1' });
    await host.killDaemon();
    appendFileSync(host.journalFile, '{"v":1,"seq":99,"at":"2026-01-01T00:00:00.000Z","kind":"state","incarn');
    await host.nextDaemon();
    expect(await host.info('db1')).toMatchObject({ id: 1, pid, state: 'running' });
    expect(host.log).toContain('not a whole line');
    expect(readdirSync(host.at('state')).some((name) => name.startsWith('journal.jsonl.damaged-'))).toBe(true);
    await host.ok('destroy', 'db1', '--wait');
    await host.killDaemon();
    await host.nextDaemon();
    expect(await host.info('db1')).toMatchObject({ state: 'shut off', lastOutcome: { kind: 'destroyed' } });
    await host.ok('start', 'db1');
    expect((await host.info('db1')).id).toBe(2);
  });

  test('records of another boot are released without touching any process', async () => {
    // The test is the one who knows that this machine was not rebooted: it ends the hypervisor itself.
    await using host = await createHost({ mayLeave: true });
    const { pid } = await host.run({ name: 'db1', disks: [host.image('a.img')] });
    await host.killDaemon();
    const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const other = '00000000-0000-4000-8000-000000000000';
    writeFileSync(host.journalFile, readFileSync(host.journalFile, 'utf8').replaceAll(bootId, other));
    await host.nextDaemon();
    expect(await host.ok('domstate', 'db1', '--reason')).toBe('shut off (host-reboot)\n');
    expect(host.history(1)).toEqual(['launching', 'running', 'released']);
    expect(isAlive(pid!)).toBe(true);
    process.kill(pid!, 'SIGKILL');
    await eventually('it is dead', () => !isAlive(pid!));
    await host.ok('start', 'db1');
    expect(await host.info('db1')).toMatchObject({ id: 2, state: 'running' });
  });

  test('numbers of incarnations are not used again, even when the journal is lost', async () => {
    await using host = await createHost({ mayLeave: true });
    const { pid } = await host.run({ name: 'db1' });
    await host.killDaemon();
    rmSync(host.journalFile);
    await host.nextDaemon();
    await host.define({ name: 'db2' });
    await host.ok('start', 'db2');
    expect((await host.info('db2')).id).toBe(2);
    expect(isAlive(pid!)).toBe(true);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
  });

  test.each(['SIGTERM', 'SIGKILL'] as const)(
    '%s to the daemon right after destroy --wait: nothing of the domain stays behind',
    async (signal) => {
      await using host = await createHost();
      for (const name of ['a', 'b', 'c']) await host.run({ name, emulator: host.oddQemu('polite') });
      const daemon = await host.daemonPid();
      const client = host.client();
      await Promise.all(['a', 'b', 'c'].map(async (name) => client.destroy(name, { wait: 'off' })));
      process.kill(daemon, signal);
      await eventually('the daemon is gone', () => !isAlive(daemon));
      await host.nextDaemon();
      for (const name of ['a', 'b', 'c']) expect(await host.state(name)).toBe('shut off');
      await host.allForgotten();
    },
  );
});
