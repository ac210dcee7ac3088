/** Draining memory: refused over, waited for, force-started over; the arithmetic that each decision stands on. */
import { expect, test } from 'vitest';
import type { ResourcesAnswer, StartAnswer } from '../../lib/client/contract.ts';
import { patient } from '../setup/slowness.ts';
import { byGeneration } from './emulators.ts';
import { eventually, MiB } from './facts.ts';
import { createHost, describeEndToEnd, type Holder, type Host, type HostOptions } from './harness.ts';

const guestMiB = 256;
/** A promise close to the guest's size, so that the windows of the arithmetic are wide. */
const smallOverhead = { fixed: '16MiB', perVcpu: '1MiB', memory: '0%' };

/** A host on which db1's incarnation 1 drains, its memory held by another process. */
async function drainingHost(options: HostOptions = {}, policy?: string): Promise<{ host: Host; holder: Holder }> {
  const host = await createHost(options);
  const { pid } = await host.run({ name: 'db1', memoryMiB: guestMiB, shared: true, ...(policy ? { policy } : {}) });
  const holder = await host.holdMemory(pid!);
  await host.ok('destroy', 'db1');
  expect(await host.state('db1')).toBe('draining');
  return { host, holder };
}

const fiveLines =
  /^ {2}promised by live domains +0\.0 GiB\n\+ held by draining +0\.\d GiB {3}incarnation 1 of db1\n\+ promised to db1 +\d\.\d GiB {3}\d\.\d GiB \+ \d\.\d GiB overhead\n- capacity +\d+\.\d GiB\n= shortfall +\d\.\d GiB {3}.*(policy \S+ allows \d\.\d GiB.*|none is allowed)\n/;

describeEndToEnd('draining', () => {
  test('start is refused with what is held, by whom, and both ways out', async () => {
    const { host, holder } = await drainingHost();
    await using _ = host;
    const { exit, stdout, stderr } = await eventually('start names the holder', async () => {
      const result = await host.domctl(['start', 'db1', '--json']);
      return result.stderr.includes('held by') && result;
    });
    expect(exit).toBe(5);
    expect(stderr).toMatch(
      new RegExp(
        `^error: cannot start domain 'db1': incarnation 1 is still draining: 0\\.\\d GiB held,(?: \\S+ \\w+/s,)? held by .*\\(pid ${holder.pid}\\)`,
      ),
    );
    expect(stderr).toContain(
      "\nhint: 'domctl start db1 --wait' starts it then; 'domctl force-start db1 --dry-run' shows what starting now would cost\n",
    );
    const { error } = JSON.parse(stdout);
    expect(error).toMatchObject({
      code: 'INCARNATION_DRAINING',
      exit: 5,
      details: { domain: 'db1', incarnation: 1, holder: expect.stringContaining(`(pid ${holder.pid})`) },
    });
    // What can be dropped of the kernel's own is counted a moment later than what is charged.
    expect(error.details.heldBytes).toBeGreaterThan((guestMiB - 1) * MiB);
  });

  test.for(byGeneration)(
    'QEMU %s: force-start is counted, journaled and told in resources and drain',
    async ([, qemu], context) => {
      if (qemu.skipReason !== null) context.skip(qemu.skipReason);
      await using host = await createHost();
      const first = await host.run({ name: 'db1', memoryMiB: guestMiB, shared: true, emulator: qemu.emulator });
      const holder = await host.holdMemory(first.pid!);
      await host.ok('destroy', 'db1');

      const dry = await host.domctl(['force-start', 'db1', '--dry-run']);
      expect(dry).toMatchObject({ exit: 0, stderr: '' });
      expect(dry.stdout).toMatch(fiveLines);
      expect((await host.info('db1')).incarnations).toHaveLength(1);

      const command = host.begin(['force-start', 'db1', '--json']);
      const started = JSON.parse((await command.done).stdout) as StartAnswer;
      expect(started).toMatchObject({ admitted: true, id: 2, overIncarnations: [1], refusal: null });
      const { arithmetic } = started;
      expect(arithmetic.shortfallBytes).toBe(
        arithmetic.promisedLiveBytes +
          arithmetic.heldDrainingBytes +
          arithmetic.promisedNewBytes -
          arithmetic.capacityBytes,
      );
      expect(arithmetic.heldDrainingBytes).toBeGreaterThanOrEqual(guestMiB * MiB);
      expect(host.journal().find(({ launch }) => launch?.id === 2)?.launch).toMatchObject({
        requester: { uid: 0, pid: command.pid },
        forced: { overIncarnations: [1], shortfallBytes: arithmetic.shortfallBytes },
      });
      expect((await host.json<ResourcesAnswer>('resources')).incarnations).toMatchObject([
        { id: 1, state: 'draining', promisedBytes: null, exclusiveFree: true },
        { id: 2, state: 'running', exclusiveFree: false },
      ]);
      const held = await eventually('drain names the holder', async () => {
        const { draining } = await host.client().drain('db1');
        return draining[0]?.holder;
      });
      expect(held).toContain(`(pid ${holder.pid}) through memfd`);
      // Stalled, when all of this took long.
      const left = /^ 1 {2}db1 {2}(0\.\d GiB of 0\.\d GiB left|stalled .*: 0\.\d GiB left) .*held by /;
      expect(await host.ok('drain', '--once')).toMatch(left);
      expect(await host.ok('dominfo', 'db1')).toMatch(/Started over: +incarnation 1/);
      await holder.letGo();
      await eventually('incarnation 1 is released', async () => (await host.info('db1')).incarnations.length === 1);
      expect(await host.json('drain', 'db1')).toMatchObject({ draining: [], released: [{ id: 1, name: 'db1' }] });
    },
  );

  test('drain watches until the memory is back', async () => {
    const { host, holder } = await drainingHost();
    await using _ = host;
    const watching = host.begin(['drain', 'db1']);
    await eventually('drain has said something', () => watching.stdout().includes(' 1  db1  '));
    await holder.letGo();
    const { exit, stdout } = await watching.done;
    expect(exit).toBe(0);
    expect(stdout).toMatch(
      /^ 1 {2}db1 {2}released: 0\.\d GiB in \d+(\.\d)? (ms|s); exclusive resources were free after \d+(\.\d)? (ms|s)$/m,
    );
    expect(await host.ok('drain')).toBe('Nothing is draining\n');
  });

  test('memory that does not fall is called stalled, with its holder', async () => {
    const { host, holder } = await drainingHost({ policies: { soon: { teardown: { stalledAfter: '1s' } } } }, 'soon');
    await using _ = host;
    await eventually('it stalls', async () => (await host.info('db1')).incarnations[0]?.stalledForMs !== null);
    const line = await eventually('the stall is told with its holder', async () => {
      const text = await host.ok('drain', '--once');
      return text.includes('held by') && text;
    });
    expect(line).toMatch(new RegExp(`^ 1 {2}db1 {2}stalled .*: 0\\.\\d GiB left {2}held by .*\\(pid ${holder.pid}\\)`));
    expect(await host.state('db1')).toBe('draining');
  });

  test('a policy that allows no force-start refuses it, however much room there is', async () => {
    const { host } = await drainingHost({}, 'strict');
    await using _ = host;
    for (const args of [['--dry-run'], []]) {
      const { exit, stdout, stderr } = await host.domctl(['force-start', 'db1', ...args]);
      expect(exit).toBe(6);
      expect(args.length > 0 ? stdout : stderr).toMatch(fiveLines);
      expect(stderr).toMatch(/^error: force-start of 'db1' refused by policy strict: it allows none$/m);
      expect(stderr).toMatch(/^hint: .*rule: strict\.yaml:\d+ forceStart\.allow$/m);
    }
    expect(await host.state('db1')).toBe('draining');
  });

  test('more draining predecessors than the policy allows: refused', async () => {
    const { host } = await drainingHost();
    await using _ = host;
    await host.ok('force-start', 'db1');
    await host.holdMemory((await host.info('db1')).pid!);
    await host.ok('destroy', 'db1');
    const { exit, stderr } = await host.domctl(['force-start', 'db1']);
    expect(exit).toBe(6);
    expect(stderr).toContain(
      "error: force-start of 'db1' refused by policy balanced: 2 incarnations of it are draining, allowed 1",
    );
    expect((await host.info('db1')).incarnations).toMatchObject([
      { id: 2, state: 'draining' },
      { id: 1, state: 'draining' },
    ]);
  });

  test.each([
    [
      'above what the policy allows: refused by the policy',
      '0%',
      'POLICY_FORBIDS',
      /shortfall 0\.\d GiB, allowed 0\.0 GiB/,
    ],
  ] as const)('a force-start with a shortfall %s', async (_title, maxShortfall, code, sentence) => {
    const { host } = await drainingHost(
      {
        policies: { short: { forceStart: { maxShortfall, maxDrainTime: 'unlimited', maxPressure: '100%' } } },
        hostYaml: { overhead: smallOverhead },
      },
      'short',
    );
    await using _ = host;
    // Other programs come and go on this machine: the reserve is set anew until the arithmetic is the one wanted.
    const { stderr, error } = await eventually('a shortfall that is there only while db1 drains', async () => {
      const { memory } = await host.client().resources();
      const wantedBytes = (guestMiB + 17 + guestMiB / 2) * MiB;
      const reserve = `${Math.floor((memory!.totalBytes - memory!.foreignBytes - wantedBytes) / MiB)}MiB`;
      host.writeHostYaml({ allowedPolicies: ['short'], overhead: smallOverhead, capacity: { reserve } });
      const result = await host.domctl(['force-start', 'db1', '--json']);
      if (result.exit === 0) {
        // Another program gave memory back since the reserve was set.
        await host.ok('destroy', String((JSON.parse(result.stdout) as StartAnswer).id), '--wait');
        return false;
      }
      expect(result.exit).toBe(6);
      const refusal = JSON.parse(result.stdout).error;
      const { shortfallBytes, structuralBytes, promisedNewBytes } = refusal.details.arithmetic;
      return (
        structuralBytes <= 0 &&
        shortfallBytes > 0 &&
        shortfallBytes < 0.8 * promisedNewBytes && { stderr: result.stderr, error: refusal }
      );
    });
    expect(error).toMatchObject({ code, exit: 6, details: { domain: 'db1', policy: 'short', overIncarnations: [1] } });
    expect(stderr).toMatch(sentence);
    expect(await host.state('db1')).toBe('draining');
  });

  test('a domain that never fits is refused whatever drains, by start and by force-start', async () => {
    await using host = await createHost();
    await host.define({ name: 'big', memoryMiB: 1024 * 1024 });
    for (const verb of ['start', 'force-start']) {
      const { exit, stdout } = await host.domctl([verb, 'big', '--json']);
      expect(exit).toBe(6);
      const { error } = JSON.parse(stdout);
      expect(error).toMatchObject({ code: 'MEMORY_SHORT', details: { arithmetic: { heldDrainingBytes: 0 } } });
      expect(error.message).toMatch(/of capacity missing, draining or not$/);
    }
    expect(await host.state('big')).toBe('shut off');
    expect(host.journal().filter(({ kind }) => kind === 'launch')).toEqual([]);
  });
});

describeEndToEnd('a queued start', () => {
  test('starts when its own drain is over, and a second waiter is refused', async () => {
    const { host, holder } = await drainingHost();
    await using _ = host;
    const waiting = host.begin(['start', 'db1', '--wait']);
    await eventually('the start is queued', async () => (await host.info('db1')).queuedStart);
    const second = await host.domctl(['start', 'db1', '--wait', '--json']);
    expect(second.exit).toBe(4);
    expect(JSON.parse(second.stdout).error.code).toBe('ALREADY_WAITING');
    expect(await host.state('db1')).toBe('draining');
    await holder.letGo();
    expect(await waiting.done).toMatchObject({ exit: 0, stdout: "Domain 'db1' started (Id 2)\n", stderr: '' });
    expect(await host.info('db1')).toMatchObject({ id: 2, state: 'running', queuedStart: false });
    const released = host
      .journal()
      .findIndex(({ incarnation, event }) => incarnation === 1 && event === 'cgroupRemoved');
    const launched = host.journal().findIndex(({ launch }) => launch?.id === 2);
    expect(released).toBeGreaterThan(0);
    expect(launched).toBeGreaterThan(released);
  });

  test('is cancelled by Ctrl-C (130), and by its timeout (10), and undoes nothing', async () => {
    const { host, holder } = await drainingHost();
    await using _ = host;
    const waiting = host.begin(['start', 'db1', '--wait']);
    await eventually('the start is queued', async () => (await host.info('db1')).queuedStart);
    waiting.kill('SIGINT');
    expect((await waiting.done).exit).toBe(130);
    await eventually('it is cancelled', async () => !(await host.info('db1')).queuedStart);
    const late = await host.domctl(['start', 'db1', '--wait', '--timeout', '300ms']);
    expect(late.exit).toBe(10);
    expect(late.stderr).toMatch(/^error: deadline passed; .*incarnation 1 is still draining/);
    await holder.letGo();
    await host.becomes('db1', 'shut off');
    expect(host.journal().filter(({ kind }) => kind === 'launch')).toHaveLength(1);
  });

  test('Ctrl-C on a destroy ends the wait with 130, and the destroy goes on', async () => {
    await using host = await createHost({ policies: { quick: { destroy: { killAfter: '3s' } } } });
    await host.run({ name: 'db1', emulator: host.oddQemu('stubborn'), policy: 'quick' });
    const waiting = host.begin(['destroy', 'db1', '--wait']);
    await host.becomes('db1', 'exiting');
    waiting.kill('SIGINT');
    expect((await waiting.done).exit).toBe(130);
    expect((await host.becomes('db1', 'shut off')).lastOutcome).toMatchObject({ kind: 'destroyed', rung: 'SIGKILL' });
  });

  test('waits for an exiting incarnation too, and starts right after it', async () => {
    await using host = await createHost({ policies: { quick: { destroy: { killAfter: `${patient(1500)}ms` } } } });
    await host.run({ name: 'db1', emulator: host.oddQemu('stubborn'), policy: 'quick' });
    const destroying = host.begin(['destroy', 'db1']);
    await host.becomes('db1', 'exiting');
    // Asked without a program in between: its start may take longer than the hypervisor.
    const client = host.client();
    await expect(client.start('db1', {})).rejects.toMatchObject({
      exit: 4,
      message: expect.stringMatching(/incarnation 1 is still exiting: hypervisor \(pid \d+\) has not ended/) as string,
    });
    await expect(client.start('db1', { force: true })).rejects.toMatchObject({ exit: 4 });
    await host.ok('start', 'db1', '--wait');
    expect((await destroying.done).exit).toBe(0);
    expect(await host.info('db1')).toMatchObject({ id: 2, state: 'running' });
  });
});
