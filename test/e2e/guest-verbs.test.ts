/** Verbs of a live guest, on machines that have no operating system: what the hypervisor itself does and says. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import type { DomainRow, GuestAnswer } from '../../lib/client/contract.ts';
import { byGeneration } from './emulators.ts';
import { eventually, isAlive } from './facts.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';

/** QMP events of the journal's states, in order. */
function eventsOf(host: Host): string[] {
  return host.journal().flatMap(({ event }) => (event === undefined ? [] : [event]));
}

describeEndToEnd('suspend and resume', () => {
  test.for(byGeneration)('QEMU %s: hold a guest and let it go on', async ([, qemu], context) => {
    if (qemu.skipReason !== null) context.skip(qemu.skipReason);
    await using host = await createHost();
    const { pid } = await host.run({ name: 'web1', emulator: qemu.emulator });
    expect(await host.ok('suspend', 'web1')).toBe("Domain 'web1' suspended\n");
    expect(await host.ok('domstate', 'web1', '--reason')).toBe('paused (user)\n');
    expect(await host.ok('suspend', 'web1')).toBe("Domain 'web1' suspended\n");
    expect(await host.ok('resume', 'web1')).toBe("Domain 'web1' resumed\n");
    expect(await host.ok('domstate', 'web1', '--reason')).toBe('running (unpaused)\n');
    const again = await host.domctl(['resume', 'web1']);
    expect(again.exit).toBe(4);
    expect(again.stderr).toMatch(/^error: cannot resume domain 'web1': domain is already running/);
    expect(await host.info('web1')).toMatchObject({ pid, state: 'running' });
  });

  test('a held guest cannot be asked to shut down, until it is resumed or --resume does it', async () => {
    await using host = await createHost();
    await host.run({ name: 'web1' });
    await host.ok('suspend', 'web1');
    for (const verb of ['shutdown', 'reboot']) {
      const refused = await host.domctl([verb, 'web1']);
      expect(refused.exit).toBe(4);
      expect(refused.stderr).toMatch(/domain is paused\nhint: .*domctl resume web1/);
    }
    await host.ok('shutdown', 'web1', '--resume');
    expect(await host.word('web1')).toBe('running');
    await eventually('the guest was asked', () => eventsOf(host).includes('powerdownSeen'));
  });

  test('start --paused stands still until resume, and a restarted daemon knows it', async () => {
    await using host = await createHost();
    await host.define({ name: 'web1' });
    await host.ok('start', 'web1', '--paused');
    expect(await host.ok('domstate', 'web1', '--reason')).toBe('paused (starting up)\n');
    await host.killDaemon();
    await host.nextDaemon();
    expect(await host.word('web1')).toBe('paused');
    await eventually('the monitor is back', async () => (await host.domctl(['resume', 'web1'])).exit === 0);
    expect(await host.word('web1')).toBe('running');
  });

  test('all of them are refused (4) where nothing runs', async () => {
    await using host = await createHost();
    await host.define({ name: 'web1' });
    for (const verb of ['suspend', 'resume', 'reset', 'reboot', 'recover']) {
      const { exit, stderr } = await host.domctl([verb, 'web1']);
      expect({ exit, stderr }).toEqual({
        exit: 4,
        stderr: `error: cannot ${verb} domain 'web1': domain is not running\n`,
      });
    }
  });
});

describeEndToEnd('reset and reboot', () => {
  test('reset: the same incarnation and process, from the start again; a held guest stays held', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'web1' });
    expect(await host.ok('reset', 'web1')).toBe("Domain 'web1' was reset\n");
    expect(await host.info('web1')).toMatchObject({ id: 1, pid, state: 'running' });
    await host.ok('suspend', 'web1');
    await host.ok('reset', 'web1');
    expect(await host.word('web1')).toBe('paused');
  });

  test('reboot asks and returns; --wait gives up at its deadline with nothing undone', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'web1' });
    expect(await host.ok('reboot', 'web1')).toBe("Domain 'web1' is being rebooted\n");
    await eventually('the guest was asked', () => eventsOf(host).includes('powerdownSeen'));
    const late = await host.domctl(['reboot', 'web1', '--wait', '--timeout', '300ms']);
    expect(late.exit).toBe(10);
    expect(late.stderr).toMatch(/^error: domain 'web1' has not rebooted after 300 ms\n/);
    expect(await host.info('web1')).toMatchObject({ pid, state: 'running' });
  });

  test('a domain without a guest agent says how to get one (8), and is left as it was', async () => {
    await using host = await createHost();
    await host.run({ name: 'web1' });
    const refused = await host.domctl(['shutdown', 'web1', '--mode', 'agent']);
    expect(refused.exit).toBe(8);
    expect(refused.stderr).toMatch(/QEMU guest agent is not configured\nhint: .*org\.qemu\.guest_agent\.0/);
    expect(host.journal().at(-1)).toMatchObject({ event: 'askFailed', state: { kind: 'running', asked: null } });
    const wrong = await host.domctl(['shutdown', 'web1', '--mode', 'foo']);
    expect(wrong).toMatchObject({ exit: 2, stderr: expect.stringMatching(/^error: Unknown mode foo value/) as string });
  });
});

describeEndToEnd('a deadline given with a shutdown', () => {
  test('runs also where the guest could not be asked, and the answer says so', async () => {
    await using host = await createHost();
    await host.run({ name: 'web1' });
    const given = ['shutdown', 'web1', '--mode', 'agent', '--force-after'];
    const refused = await host.domctl([...given, '1h']);
    expect(refused.exit).toBe(8);
    expect(refused.stderr).toMatch(
      /agent is not configured; it is destroyed at 20\S+Z all the same\nhint: .*--mode acpi/,
    );
    expect((await host.info('web1')).incarnations[0]?.asked).toMatchObject({ to: 'shutdown' });
    const { exit, stdout, stderr } = await host.domctl([...given, '300ms', '--wait']);
    expect({ exit, stdout }).toMatchObject({
      exit: 0,
      stdout: expect.stringMatching(/^Domain 'web1' shut down/) as string,
    });
    expect(stderr).toMatch(/^warning: .*agent is not configured; it is destroyed at 20\S+Z all the same$/m);
    expect(await host.ok('domstate', 'web1', '--reason')).toBe('shut off (destroyed)\n');
  });

  test('outlives the daemon that took it', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'web1' });
    await host.ok('shutdown', 'web1', '--force-after', '3s');
    await host.killDaemon();
    expect(isAlive(pid!)).toBe(true);
    await host.nextDaemon();
    expect((await host.becomes('web1', 'shut off')).lastOutcome).toMatchObject({ kind: 'destroyed' });
  });
});

describeEndToEnd('a transient domain', () => {
  test('is there for as long as its incarnation, and can be kept by defining it', async () => {
    await using host = await createHost();
    const file = host.writeXml({ name: 'job', uuid: '11111111-2222-4333-8444-555555555555' });
    expect(await host.ok('create', file)).toBe(`Domain 'job' created from ${file} (Id 1)\n`);
    const [row] = await host.json<DomainRow[]>('list');
    expect(row).toMatchObject({ name: 'job', state: 'running', persistent: false });
    expect((await host.domctl(['create', file])).exit).toBe(1);
    for (const verb of ['undefine', 'autostart']) {
      const { exit, stderr } = await host.domctl([verb, 'job']);
      expect(exit).toBe(4);
      expect(stderr).toMatch(/it is transient/);
    }
    await host.ok('destroy', 'job', '--wait');
    expect((await host.domctl(['domstate', 'job'])).exit).toBe(3);

    await host.ok('create', file, '--paused');
    expect(await host.word('job')).toBe('paused');
    await host.define(await host.ok('dumpxml', 'job'));
    await host.ok('destroy', 'job', '--wait');
    expect(await host.state('job')).toBe('shut off');
    expect((await host.domctl(['create', file])).exit).toBe(1);
  });

  test('that cannot start leaves nothing behind', async () => {
    await using host = await createHost();
    const file = host.writeXml({ name: 'job', disks: [host.at('missing.img')] });
    expect((await host.domctl(['create', file])).exit).toBe(8);
    expect(await host.json('list', '--all')).toEqual([]);
  });
});

describeEndToEnd('autostart', () => {
  test('starts what is marked once after each boot of the host, and nothing else', async () => {
    await using host = await createHost();
    for (const name of ['a', 'b', 'c']) await host.define({ name });
    expect(await host.ok('autostart', 'a', 'c')).toBe(
      "Domain 'a' marked as autostarted\nDomain 'c' marked as autostarted\n",
    );
    expect(await host.ok('autostart', 'c', '--disable')).toBe("Domain 'c' unmarked as autostarted\n");
    expect(await host.json<DomainRow[]>('list', '--all')).toMatchObject([
      { name: 'a', autostart: true },
      { name: 'b', autostart: false },
      { name: 'c', autostart: false },
    ]);
    await host.stopDaemon();
    await host.nextDaemon();
    expect(await host.word('a')).toBe('shut off');

    await host.stopDaemon();
    writeFileSync(host.at('state/autostarted'), 'another boot');
    await host.nextDaemon();
    await host.becomes('a', 'running');
    expect(await host.word('b')).toBe('shut off');
    expect(await host.word('c')).toBe('shut off');
  });
});

describeEndToEnd('recover', () => {
  test('of a domain that is not lost tells how it is', async () => {
    await using host = await createHost();
    await host.run({ name: 'web1' });
    expect(await host.ok('recover', 'web1')).toBe("Domain 'web1' is running (booted)\n");
    expect(await host.json<GuestAnswer>('recover', 'web1')).toEqual({
      name: 'web1',
      id: 1,
      state: 'running',
      reason: 'booted',
    });
  });
});

describeEndToEnd('undefine of a domain with UEFI variables', () => {
  test('needs to be told what becomes of them', async () => {
    await using host = await createHost();
    const loader = "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>";
    const xml = host.xml({ name: 'web1' }).replace('</os>', `${loader}<nvram>${host.at('vars/web1.fd')}</nvram></os>`);
    mkdirSync(host.at('vars'));
    for (const [flag, isLeft] of [
      ['--keep-nvram', true],
      ['--nvram', false],
    ] as const) {
      writeFileSync(host.at('vars/web1.fd'), 'variables');
      await host.define(xml);
      const refused = await host.domctl(['undefine', 'web1']);
      expect(refused.exit).toBe(4);
      expect(refused.stderr).toMatch(/with nvram: .*web1\.fd\nhint: --nvram removes it too, --keep-nvram leaves it\n/);
      await host.ok('undefine', 'web1', flag);
      expect(existsSync(host.at('vars/web1.fd'))).toBe(isLeft);
      if (isLeft) expect(readFileSync(host.at('vars/web1.fd'), 'utf8')).toBe('variables');
    }
    expect((await host.domctl(['undefine', 'web1', '--nvram', '--keep-nvram'])).exit).toBe(2);
  });
});

describeEndToEnd('undefine of a domain whose TPM has a state', () => {
  test('removes it as virsh does, with the last incarnation that has it, unless told to keep it', async () => {
    await using host = await createHost();
    const uuid = '6f1d0b53-6a2c-4f5b-9d2b-6a8d5a1f0c11';
    const other = host.at('state/tpm/6f1d0b53-6a2c-4f5b-9d2b-6a8d5a1f0c12');
    const state = host.at(`state/tpm/${uuid}`);
    const make = (path: string): void => {
      mkdirSync(path, { recursive: true });
      writeFileSync(`${path}/tpm2-00.permall`, 'secrets');
    };
    make(other);
    make(state);
    await host.run({ name: 'web1', uuid });
    const { stderr } = await host.domctl(['undefine', 'web1']);
    expect(stderr).toBe(`warning: the state of its TPM is in use, and goes with incarnation 1: ${state}\n`);
    expect(existsSync(state)).toBe(true);
    await host.ok('destroy', 'web1', '--wait');
    expect(readdirSync(host.at('state/tpm'))).toEqual([basename(other)]);
    for (const [flags, isLeft] of [
      [['--keep-tpm'], true],
      [[], false],
    ] as const) {
      make(state);
      await host.define({ name: 'web1', uuid });
      expect(await host.json('undefine', 'web1', ...flags)).toMatchObject({ tpm: { path: state, removed: !isLeft } });
      expect(existsSync(state)).toBe(isLeft);
    }
    expect(existsSync(other)).toBe(true);
    expect((await host.domctl(['undefine', 'web1', '--tpm', '--keep-tpm'])).exit).toBe(2);
  });
});

describeEndToEnd('swtpm', () => {
  test('leaves no state of a domain that was never defined, or is not any more', async (context) => {
    if (!existsSync('/usr/bin/swtpm')) context.skip('swtpm is not installed');
    await using host = await createHost();
    const tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>";
    const xml = (name: string): string => host.writeXml(host.xml({ name }).replace('</devices>', tpm));
    await host.ok('create', xml('job'));
    const { uuid } = await host.info('job');
    await host.ok('define', xml('web1'));
    await host.ok('start', 'web1');
    await host.ok('undefine', 'web1');
    expect(existsSync(host.at(`state/tpm/${uuid}`))).toBe(true);
    // What is to go is known to the next daemon, too.
    await host.killDaemon();
    for (const name of ['job', 'web1']) await host.ok('destroy', name, '--wait');
    expect(readdirSync(host.at('state/tpm'))).toEqual([]);
  });
});

describeEndToEnd('--console', () => {
  test('of start and create connects before the guest runs, and leaving it leaves the guest', async () => {
    await using host = await createHost();
    const xml = host.xml({ name: 'web1' }).replace('</devices>', "<console type='pty'/></devices>");
    await host.ok('define', host.writeXml(xml));
    const started = await host.ok('start', 'web1', '--console');
    expect(started).toMatch(/^Domain 'web1' started \(Id 1\)\nConnected to domain 'web1'\n/);
    expect(await host.ok('domstate', 'web1', '--reason')).toBe('running (unpaused)\n');
    const file = host.writeXml(xml.replace('web1', 'job'));
    expect(await host.ok('create', file, '--console', '--paused')).toContain("\nConnected to domain 'job'\n");
    expect(await host.ok('domstate', 'job', '--reason')).toBe('paused (starting up)\n');
  });

  test('of a domain that has none says so, and its guest runs all the same', async () => {
    await using host = await createHost();
    await host.define({ name: 'web1' });
    const { exit, stderr } = await host.domctl(['start', 'web1', '--console']);
    expect({ exit, stderr }).toMatchObject({ exit: 4, stderr: expect.stringContaining('no console') as string });
    expect(await host.word('web1')).toBe('running');
    expect((await host.domctl(['start', 'web1', 'web2', '--console'])).exit).toBe(2);
    expect((await host.domctl(['start', 'web1', '--console', '--json'])).exit).toBe(2);
  });
});
