/** Each verb as a person uses it, its exit codes, and its JSON. */
import { expect, test } from 'vitest';
import type { DrainAnswer } from '../../lib/client/contract.ts';
import { patient } from '../setup/slowness.ts';
import { eventually, isAlive, processesIn } from './facts.ts';
import { createHost, describeEndToEnd } from './harness.ts';

/** SIGKILL comes soon, so that a hypervisor that needs it does not hold up the tests. */
const quick = { policies: { quick: { destroy: { killAfter: `${patient(1000)}ms` } } } };

describeEndToEnd('verbs', () => {
  test('list shows what is live, --all what is not, and single columns for scripts', async () => {
    await using host = await createHost();
    await host.run({ name: 'web1' });
    await host.define({ name: 'build' });
    const uuid = (await host.info('web1')).uuid;
    const table = await host.ok('list', '--all');
    expect(table.split('\n')[0]).toMatch(/^ Id +Name +State +Memory +Held +Draining$/);
    expect(table).toMatch(/^ 1 +web1 +running +0\.1 GiB +0\.\d GiB +-$/m);
    expect(table).toMatch(/^ - +build +shut off +0\.1 GiB +0\.0 GiB +-$/m);
    expect(await host.ok('list')).not.toContain('build');
    expect(await host.ok('list', '--inactive')).not.toContain('web1');
    expect(await host.ok('list', '--all', '--name')).toBe('web1\nbuild\n');
    expect(await host.ok('list', '--name')).toBe('web1\n');
    expect(await host.ok('list', '--id')).toBe('1\n');
    expect(await host.ok('list', '--uuid')).toBe(`${uuid}\n`);
    expect(await host.json('list', '--all')).toMatchObject([
      { id: 1, name: 'web1', uuid, state: 'running', memoryBytes: 64 * 2 ** 20, persistent: true },
      { id: null, name: 'build', state: 'shut off', heldBytes: 0, drainingBytes: 0 },
    ]);
  });

  test('a domain is found by name, UUID and id', async () => {
    await using host = await createHost();
    const { uuid } = await host.run({ name: 'web1', emulator: host.oddQemu('polite') });
    for (const reference of ['web1', uuid, uuid.toUpperCase(), '1'])
      expect(await host.state(reference)).toBe('running');
  });

  test('dumpxml gives a definition that define takes back unchanged', async () => {
    await using host = await createHost();
    await host.define({ name: 'web1', disks: [host.image('a.img')], policy: 'restart-first' });
    const xml = await host.ok('dumpxml', 'web1');
    await host.ok('undefine', 'web1');
    const result = await host.domctl(['define', '-'], { input: xml });
    expect(result).toMatchObject({ exit: 0, stdout: "Domain 'web1' defined from standard input\n" });
    expect(await host.ok('dumpxml', 'web1')).toBe(xml);
  });

  test('a redefinition while running counts from the next start', async () => {
    await using host = await createHost();
    const { pid, uuid } = await host.run({ name: 'web1' });
    await host.define({ name: 'web1', memoryMiB: 96 });
    expect(await host.ok('dumpxml', 'web1')).toContain(`>${64 * 1024}<`);
    expect(await host.ok('dumpxml', 'web1', '--inactive')).toContain(`>${96 * 1024}<`);
    expect(await host.info('web1')).toMatchObject({ pid, uuid, memoryBytes: 64 * 2 ** 20 });
    await host.ok('destroy', 'web1', '--wait');
    await host.ok('start', 'web1');
    expect(await host.info('web1')).toMatchObject({ id: 2, uuid, memoryBytes: 96 * 2 ** 20 });
  });

  test('undefine of a running domain leaves it running, without a definition, until it is released', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'web1' });
    expect(await host.ok('undefine', 'web1')).toContain('incarnation 1 stays until it is released');
    expect(await host.info('web1')).toMatchObject({ state: 'running', pid, persistent: false });
    expect((await host.domctl(['undefine', 'web1'])).exit).toBe(4);
    await host.ok('destroy', 'web1', '--wait');
    expect((await host.domctl(['domstate', 'web1'])).exit).toBe(3);
  });

  test('undefine of a draining domain keeps its record until the memory is back', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1', shared: true });
    const holder = await host.holdMemory(pid!);
    await host.ok('destroy', 'db1');
    await host.ok('undefine', 'db1');
    expect(await host.state('db1')).toBe('draining');
    expect((await host.json<DrainAnswer>('drain')).draining).toMatchObject([{ id: 1, name: 'db1', state: 'draining' }]);
    expect((await host.domctl(['start', 'db1'])).exit).toBe(3);
    expect((await host.domctl(['force-start', 'db1'])).exit).toBe(3);
    await holder.letGo();
    await eventually('db1 is forgotten', async () => (await host.client().list()).length === 0);
    expect((await host.domctl(['domstate', 'db1'])).exit).toBe(3);
  });

  test('destroy takes several domains, and the worst exit code wins', async () => {
    await using host = await createHost();
    await host.run({ name: 'a', emulator: host.oddQemu('polite') });
    await host.define({ name: 'b' });
    const { exit, stdout, stderr } = await host.domctl(['destroy', 'a', 'b', 'none', '--wait']);
    expect(exit).toBe(4);
    expect(stdout).toMatch(/^Domain 'a' destroyed: .*all memory back after/);
    expect(stderr).toContain("error: cannot destroy domain 'b': domain is not running");
    expect(stderr).toContain("error: failed to get domain 'none'");
    expect(await host.state('a')).toBe('shut off');
  });

  test('destroy waits for freed by itself and with --wait=freed, and for all of it with --wait', async () => {
    await using host = await createHost();
    for (const [args, ended] of [
      [[], false],
      [['--wait=freed'], false],
      [['--wait=off'], true],
      [['--wait'], true],
    ] as const) {
      const { pid } = await host.run({ name: 'db1', shared: true });
      const holder = await host.holdMemory(pid!);
      const command = host.begin(['destroy', 'db1', ...args, '--json']);
      await host.becomes('db1', 'draining');
      if (ended) {
        expect(command.stdout(), `destroy ${args.join(' ')}`).toBe('');
        await holder.letGo();
      }
      const { exit, stdout } = await command.done;
      expect(exit).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject(
        ended ? { state: 'shut off', drainingBytes: null } : { state: 'draining', releasedAfterMs: null },
      );
      await holder.letGo();
      await host.becomes('db1', 'shut off');
    }
  });

  test('destroy --timeout gives up with 10 and undoes nothing', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1', shared: true });
    const holder = await host.holdMemory(pid!);
    const { exit, stderr } = await host.domctl(['destroy', 'db1', '--wait', '--timeout', '300ms']);
    expect(exit).toBe(10);
    expect(stderr).toMatch(/^error: .*'db1'.* after 300 ms: draining: 0\.\d GiB held/);
    expect(await host.state('db1')).toBe('draining');
    expect(isAlive(pid!)).toBe(false);
    expect((await host.domctl(['destroy', 'db1'])).exit).toBe(0);
    await holder.letGo();
    await host.ok('destroy', 'db1', '--wait').catch(() => undefined);
    expect((await host.becomes('db1', 'shut off')).lastOutcome).toMatchObject({ kind: 'destroyed' });
  });

  test('destroy --graceful never kills; a later destroy without it does', async () => {
    await using host = await createHost(quick);
    const { pid } = await host.run({ name: 'db1', emulator: host.oddQemu('stubborn'), policy: 'quick' });
    const graceful = await host.domctl(['destroy', 'db1', '--graceful', '--timeout', '2500ms']);
    expect(graceful.exit).toBe(10);
    expect(await host.state('db1')).toBe('exiting');
    expect(isAlive(pid!)).toBe(true);
    await host.ok('destroy', 'db1', '--wait');
    expect((await host.info('db1')).lastOutcome).toMatchObject({ kind: 'destroyed', rung: 'SIGKILL', signal: 9 });
  });

  test('what a hypervisor leaves in its cgroup is ended by the last rung', async () => {
    await using host = await createHost(quick);
    await host.run({ name: 'db1', emulator: host.oddQemu('leaves-a-child'), policy: 'quick' });
    await host.ok('destroy', 'db1', '--wait');
    expect(await host.info('db1')).toMatchObject({
      state: 'shut off',
      lastOutcome: { kind: 'destroyed', exitCode: 0 },
    });
    expect(host.journal().map(({ event }) => event)).toContain('stragglersDue');
    expect(processesIn(host.cgroupRoot)).toEqual([]);
  });

  test('a hypervisor that is killed from outside makes the domain shut off (crashed)', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1', disks: [host.image('a.img')] });
    process.kill(pid!, 'SIGKILL');
    expect(await host.becomes('db1', 'shut off')).toMatchObject({
      reason: 'crashed',
      lastOutcome: { kind: 'crashed', signal: 9, rung: 'itself', oomKilled: false },
    });
    await host.ok('start', 'db1');
    expect(await host.state('db1')).toBe('running');
  });

  test('two starts at the same time make one incarnation', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    const exits = (await Promise.all([1, 2, 3].map(() => host.domctl(['start', 'db1'])))).map(({ exit }) => exit);
    expect(exits.sort()).toEqual([0, 4, 4]);
    expect((await host.info('db1')).incarnations).toHaveLength(1);
    expect(host.journal().filter(({ kind }) => kind === 'launch')).toHaveLength(1);
  });

  test('two domains that want one image at the same time: one has it', async () => {
    await using host = await createHost();
    const disks = [host.image('a.img')];
    for (const name of ['db1', 'db2']) await host.define({ name, disks });
    const results = await Promise.all(['db1', 'db2'].map((name) => host.domctl(['start', name])));
    expect(results.map(({ exit }) => exit).sort()).toEqual([0, 4]);
    expect(processesIn(host.cgroupRoot)).toHaveLength(1);
  });

  test('commands that start the daemon at the same time all get their answer', async () => {
    await using host = await createHost();
    for (let round = 0; round < 2; round += 1) {
      const results = await Promise.all([1, 2, 3, 4, 5].map(async () => host.domctl(['list', '--all'])));
      expect(results.map(({ exit, stderr }) => `${exit} ${stderr}`)).toEqual(Array(5).fill('0 '));
      await host.stopDaemon();
    }
  });

  test('daemon start, status and stop; stopping ends no virtual machine', async () => {
    await using host = await createHost();
    expect(await host.ok('daemon', 'status')).toBe('domctld is not running\n');
    const { pid } = await host.run({ name: 'db1' });
    expect(await host.ok('daemon', 'status')).toBe(`domctld is running (pid ${await host.daemonPid()})\n`);
    expect(await host.ok('daemon', 'stop')).toBe('domctld stopped; virtual machines go on\n');
    expect(await host.ok('daemon', 'status')).toBe('domctld is not running\n');
    expect(isAlive(pid!)).toBe(true);
    expect(await host.state('db1')).toBe('running');
    expect((await host.info('db1')).pid).toBe(pid);
  });

  test('every refusal has its exit code and its word, and changes nothing', async () => {
    await using host = await createHost();
    await host.define({ name: 'off' });
    await host.run({ name: 'on', emulator: host.oddQemu('polite') });
    const before = await host.snapshot();
    for (const [why, exit, code, args] of [
      ['no such domain', 3, 'NO_SUCH_DOMAIN', ['domstate', 'none']],
      ['no such domain', 3, 'NO_SUCH_DOMAIN', ['start', 'none']],
      ['no such domain', 3, 'NO_SUCH_DOMAIN', ['force-start', 'none']],
      ['no such domain', 3, 'NO_SUCH_DOMAIN', ['destroy', 'none']],
      ['no such domain', 3, 'NO_SUCH_DOMAIN', ['shutdown', 'none']],
      ['no such domain', 3, 'NO_SUCH_DOMAIN', ['undefine', 'none']],
      ['no such domain', 3, 'NO_SUCH_DOMAIN', ['dumpxml', 'none']],
      ['no such domain', 3, 'NO_SUCH_DOMAIN', ['dominfo', 'none']],
      ['no such domain', 3, 'NO_SUCH_DOMAIN', ['drain', 'none']],
      ['already running', 4, 'DOMAIN_ACTIVE', ['start', 'on']],
      ['already running', 4, 'DOMAIN_ACTIVE', ['start', 'on', '--wait']],
      ['already running', 4, 'DOMAIN_ACTIVE', ['force-start', 'on']],
      ['not running', 4, 'DOMAIN_NOT_RUNNING', ['destroy', 'off']],
      ['not running', 4, 'DOMAIN_NOT_RUNNING', ['shutdown', 'off']],
      ['no command', 2, 'USAGE', []],
      ['not a command', 2, 'USAGE', ['frobnicate']],
      ['not an option', 2, 'USAGE', ['list', '--frobnicate']],
      ['an argument is missing', 2, 'USAGE', ['start']],
      ['not a duration', 2, 'USAGE', ['destroy', 'on', '--timeout', '5 parsecs']],
      ['not a target', 2, 'USAGE', ['destroy', 'on', '--wait=never']],
      ['no such file', 1, 'FAILED', ['define', '/nonexistent/x.xml']],
    ] as const) {
      const result = await host.domctl([...args, '--json']);
      expect.soft(result.exit, `${why}: ${args.join(' ')}`).toBe(exit);
      expect.soft(result.stderr, why).toMatch(/^error: \S.*\n(hint: \S.*\n)?$/);
      const { error } = JSON.parse(result.stdout);
      expect.soft(error, why).toMatchObject({ code, exit, details: expect.any(Object) });
      expect.soft(error, why).toHaveProperty('hint');
    }
    expect(await host.snapshot()).toEqual(before);
  });
});
