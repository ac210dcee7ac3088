/** What once went wrong and must not again: ids that are names, two daemons, races, and the daemon's own surroundings. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { DomctlError } from '../../lib/errors.ts';
import { eventually, isAlive, processesIn, startTicks, zombiesOf } from './facts.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';

/** Preloaded into a daemon: SIGUSR2 makes it collect its garbage, all of it, and count that. */
const collectAtSignal = `
require('node:v8').setFlagsFromString('--expose-gc');
const collect = require('node:vm').runInNewContext('gc');
let count = 0;
process.on('SIGUSR2', () => {
  collect();
  require('node:fs').writeFileSync(__filename + '.count', String(++count));
});
`;

/** The error's code, or null where there was none. */
async function codeOf(asked: Promise<unknown>): Promise<string | null> {
  try {
    await asked;
    return null;
  } catch (error) {
    if (error instanceof DomctlError) return error.code;
    throw error;
  }
}

/** Names of the definitions on disk, read here and not by the product. */
function storedNames(host: Host): string[] {
  const texts = readdirSync(host.at('state/domains')).map((name) =>
    readFileSync(host.at(`state/domains/${name}`), 'utf8'),
  );
  return texts.map((text) => /<name>(.*)<\/name>/.exec(text)?.[1] ?? text).sort();
}

describeEndToEnd('an id', () => {
  test('of a draining incarnation names that one, and the one that runs is untouched', async () => {
    await using host = await createHost();
    const first = await host.run({ name: 'db1', shared: true });
    const holder = await host.holdMemory(first.pid!);
    await host.ok('destroy', 'db1');
    await host.ok('force-start', 'db1');
    const before = await host.info('db1');
    expect(before).toMatchObject({ id: 2, state: 'running' });
    const born = startTicks(before.pid!);

    expect((await host.domctl(['destroy', '1'])).exit).toBe(0);
    const late = await host.domctl(['destroy', '1', '--wait', '--timeout', '500ms']);
    expect(late.exit).toBe(10);
    const after = await host.info('db1');
    expect(after).toMatchObject({ id: 2, pid: before.pid, state: 'running' });
    expect(after.incarnations).toMatchObject([
      { id: 2, state: 'running' },
      { id: 1, state: 'draining' },
    ]);
    expect(startTicks(before.pid!)).toBe(born);
    expect(host.history(2)).toEqual(['launching', 'running']);

    await holder.letGo();
    await eventually('incarnation 1 is released', async () => (await host.info('db1')).incarnations.length === 1);
    expect((await host.domctl(['destroy', '1'])).exit).toBe(3);
    expect(isAlive(before.pid!)).toBe(true);
    await host.ok('destroy', '2', '--wait');
    expect(await host.state('db1')).toBe('shut off');
  });

  test('is no name of a definition: undefine and start act on the domain really named so, or on none', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1' });
    for (const verb of ['undefine', 'start', 'force-start']) {
      const { exit, stderr } = await host.domctl([verb, '1']);
      expect.soft(exit, verb).toBe(3);
      expect.soft(stderr, verb).toContain("failed to get domain '1'");
    }
    expect(storedNames(host)).toEqual(['db1']);

    await host.define({ name: '1' });
    await host.ok('start', '1');
    const rows = (await host.client().list()).map(({ name, id, state }) => ({ name, id, state }));
    expect(rows).toEqual([
      { name: 'db1', id: 1, state: 'running' },
      { name: '1', id: 2, state: 'running' },
    ]);
    await host.ok('destroy', '2', '--wait');
    await host.ok('undefine', '1');
    expect(storedNames(host)).toEqual(['db1']);
    expect(await host.info('db1')).toMatchObject({ id: 1, pid, state: 'running' });
    expect(processesIn(host.cgroupRoot)).toEqual([pid]);
  });
});

describeEndToEnd('the daemon', () => {
  test('is one a cgroup root: another with directories of its own is refused, and no machine suffers', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1' });
    const others = ['STATE', 'RUNTIME', 'LOG'].map((word) => `DOMCTL_${word}_DIR=${host.at(`other-${word}`)}`);
    const { exit, stderr } = await host.domctl(['list', '--all'], { through: ['env', ...others] });
    expect(exit).toBe(9);
    expect(stderr).toContain(`another domctld owns the cgroup root ${host.cgroupRoot}`);
    expect(await host.info('db1')).toMatchObject({ id: 1, pid, state: 'running' });
    expect(isAlive(pid!)).toBe(true);
    await host.ok('destroy', 'db1', '--wait');
    await host.ok('start', 'db1');
    expect((await host.info('db1')).id).toBe(2);
  });

  test('starts machines whatever the umask of the shell that brought it up', async () => {
    await using host = await createHost({ bare: true });
    await host.define({ name: 'db1', disks: [host.image('a.img')] });
    // The definition was stored by a daemon of our own umask.
    await host.stopDaemon();
    const through = ['sh', '-c', 'umask 077; exec "$@"', 'sh'];
    const { exit, stderr } = await host.domctl(['start', 'db1'], { through });
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    expect(await host.state('db1')).toBe('running');
  });

  test('makes its directories so that a hypervisor gets in, whatever the umask', async () => {
    await using host = await createHost({ bare: true });
    const file = host.writeXml({ name: 'db1' });
    const through = ['sh', '-c', 'umask 077; exec "$@"', 'sh'];
    for (const args of [
      ['define', file],
      ['start', 'db1'],
    ]) {
      const { exit, stderr } = await host.domctl(args, { through });
      expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
    }
    expect(await host.state('db1')).toBe('running');
  });

  test('stays up and answers when its log cannot be written', async () => {
    await using host = await createHost();
    const full = openSync('/dev/full', 'w');
    const program = fileURLToPath(new URL('../../dist/domctld.cjs', import.meta.url));
    const env = { ...process.env, ...host.environment };
    const daemon: ChildProcess = spawn(process.execPath, [program], { env, stdio: ['ignore', 'ignore', full] });
    closeSync(full);
    const ended = once(daemon, 'exit');
    await eventually('it answers', async () => (await codeOf(host.client().version())) === null);
    expect(await host.daemonPid()).toBe(daemon.pid);
    await host.run({ name: 'db1' });
    await host.ok('destroy', 'db1', '--wait');
    expect(await host.client().list()).toMatchObject([{ name: 'db1', state: 'shut off' }]);
    expect(await host.daemonPid()).toBe(daemon.pid);
    await host.allForgotten();
    await host.client().stopDaemon();
    expect(await ended).toEqual([0, null]);
  });

  test.each(['dies-at-once', 'dies-after-greeting'])('leaves no zombie of a hypervisor that %s', async (kind) => {
    await using host = await createHost();
    await host.define({ name: 'db1', emulator: host.oddQemu(kind) });
    for (let round = 0; round < 3; round += 1) expect((await host.domctl(['start', 'db1'])).exit).toBe(1);
    await host.becomes('db1', 'shut off');
    await host.allForgotten();
    const daemon = await host.daemonPid();
    await eventually('no zombie is left', () => zombiesOf(daemon).length === 0);
  });

  test('keeps the deadline of a wait through its garbage collection', async () => {
    await using host = await createHost();
    const preload = host.at('collect.cjs');
    writeFileSync(preload, collectAtSignal);
    const through = ['env', `NODE_OPTIONS=--require=${preload}`];
    expect((await host.domctl(['daemon', 'start'], { through })).exit).toBe(0);
    const { pid } = await host.run({ name: 'db1', shared: true });
    const daemon = await host.daemonPid();
    const holder = await host.holdMemory(pid!);
    const ofRunning = host.begin(['destroy', 'db1', '--wait', '--timeout', '3s']);
    await host.becomes('db1', 'draining');
    const ofDraining = host.begin(['destroy', 'db1', '--wait', '--timeout', '3s']);
    const client = host.client();
    await pause(500);
    for (let round = 0; round < 30; round += 1) {
      if (round % 10 === 0) process.kill(daemon, 'SIGUSR2');
      await Promise.all(Array.from({ length: 10 }, async (_, n) => (n % 2 ? client.list() : client.info('db1'))));
    }
    expect(Number(readFileSync(`${preload}.count`, 'utf8'))).toBeGreaterThanOrEqual(2);
    for (const waiting of [ofRunning, ofDraining]) {
      const result = await Promise.race([waiting.done, pause(30_000, null)]);
      expect(result).toMatchObject({ exit: 10, stderr: expect.stringContaining("'db1' is not released after 3.0 s") });
      expect(result!.ms).toBeGreaterThanOrEqual(3000);
    }
    expect(await host.state('db1')).toBe('draining');
    await holder.letGo();
    await host.becomes('db1', 'shut off');
  });
});

describeEndToEnd('a force-start that fails at once', () => {
  test('over a draining predecessor is never unknown, and keeps nobody else from starting', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1', shared: true });
    const holder = await host.holdMemory(pid!);
    await host.ok('destroy', 'db1');
    const serial = `<serial type='file'><source path='${host.at('missing/serial.log')}'/></serial></devices>`;
    await host.define(host.xml({ name: 'db1', shared: true }).replace('</devices>', serial));
    const seen = new Set<string>();
    const stopped = new AbortController();
    const watching = (async () => {
      while (!stopped.signal.aborted) {
        seen.add(await host.word('db1'));
        await pause(5);
      }
    })();
    for (const name of ['other1', 'other2', 'other3']) {
      await host.define({ name });
      const [failing, other] = await Promise.all([host.domctl(['force-start', 'db1']), host.domctl(['start', name])]);
      expect(failing.exit).toBe(8);
      expect(other).toMatchObject({ exit: 0, stderr: '' });
      await host.becomes('db1', 'draining');
    }
    stopped.abort();
    await watching;
    expect([...seen]).not.toContain('unknown');
    await eventually('only incarnation 1 is left', async () => (await host.info('db1')).incarnations.length === 1);
    expect(await host.info('db1')).toMatchObject({ state: 'draining', incarnations: [{ id: 1 }] });
    await holder.letGo();
    await host.becomes('db1', 'shut off');
    expect(host.journal().filter(({ state }) => state?.kind === 'lost')).toEqual([]);
  });
});

describeEndToEnd('a name of more than a hundred characters', () => {
  test('does for every verb, and one that nobody has is not found', async () => {
    await using host = await createHost();
    const name = 'n'.repeat(120);
    await host.define({ name });
    await host.ok('start', name);
    expect(await host.state(name)).toBe('running');
    expect(await host.ok('dumpxml', name)).toContain(`<name>${name}</name>`);
    await host.ok('destroy', name, '--wait');
    expect(await host.state(name)).toBe('shut off');
    await host.ok('undefine', name);
    for (const verb of ['domstate', 'start', 'destroy', 'undefine', 'shutdown', 'dominfo', 'dumpxml', 'drain']) {
      const { exit, stderr } = await host.domctl([verb, name]);
      expect.soft(exit, verb).toBe(3);
      expect.soft(stderr, verb).toContain(`failed to get domain '${name}'`);
    }
  });
});

describeEndToEnd('definitions asked for at the same time', () => {
  test('undefine and define: what is listed is what is stored', async () => {
    await using host = await createHost();
    const body = { file: 'x', xml: host.xml({ name: 'x' }) };
    await host.ok('daemon', 'start');
    const client = host.client();
    for (let round = 0; round < 20; round += 1) {
      await client.define(body);
      const undefining = codeOf(client.undefine('x', null));
      const defining = Array.from({ length: 1 + (round % 2) }, async () => codeOf(client.define(body)));
      expect(await Promise.all([undefining, ...defining])).toEqual([null, ...defining.map(() => null)]);
      const listed = (await client.list()).map(({ name }) => name);
      expect(storedNames(host)).toEqual(listed);
    }
    await client.define(body);
    await host.killDaemon();
    await host.nextDaemon();
    expect(await host.state('x')).toBe('shut off');
  });

  test('one UUID for two names: exactly one of them gets it', async () => {
    await using host = await createHost();
    await host.ok('daemon', 'start');
    const client = host.client();
    for (let round = 0; round < 10; round += 1) {
      const uuid = `00000000-0000-4000-8000-0000000000${String(10 + round)}`;
      const names = ['a', 'b', 'c'].map((letter) => `${letter}${round}`);
      const codes = await Promise.all(
        names.map(async (name) => codeOf(client.define({ file: name, xml: host.xml({ name, uuid }) }))),
      );
      expect(codes.filter((code) => code === null)).toHaveLength(1);
      const listed = (await client.list()).filter((row) => row.uuid === uuid);
      expect(listed.map(({ name }) => name)).toEqual([names[codes.indexOf(null)]]);
    }
    expect(storedNames(host)).toHaveLength(10);
  });
});
