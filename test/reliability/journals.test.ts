/**
 * Journals as crashes, disks and people leave them, each under a machine that runs: what is wrong is said, the file is kept
 * aside, and the machine goes on, known by what the kernel says of it.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { DomainRow } from '../../lib/client/contract.ts';
import { journalVersion } from '../../lib/daemon/records.ts';
import { eventually, isAlive, processesIn, startTicks } from '../e2e/facts.ts';
import { createHost, describeEndToEnd, type Host } from '../e2e/harness.ts';

/** Lines of the journal of one machine that runs: launch, hypervisorSpawned, launched. */
type Lines = readonly [string, string, string];

function renumbered(line: string, seq: number): string {
  return JSON.stringify({ ...(JSON.parse(line) as object), seq });
}

const damages: readonly (readonly [what: string, damage: (lines: Lines) => string | null, says: RegExp | null])[] = [
  ['a torn last line', ([a, b, c]) => `${a}\n${b}\n${c.slice(0, -20)}`, /:3: not a whole line/],
  ['an end in the record of its birth', ([a, b]) => `${a}\n${b.slice(0, 40)}`, /:2: not a whole line/],
  ['an end after its launch', ([a]) => `${a}\n`, null],
  ['an end in its launch', ([a]) => a.slice(0, 200), /:1: not a whole line/],
  ['garbage for its launch', ([, b, c]) => `\u0000garbage\n${b}\n${c}\n`, /:1: not a whole line/],
  ['garbage for its birth', ([a, , c]) => `${a}\n[]\n${c}\n`, /:2: /],
  ['lines that stand there twice', ([a, b, c]) => `${a}\n${b}\n${a}\n${b}\n${c}\n`, /:3: line 1 stands there twice/],
  [
    'two records of one number',
    ([a, b, c]) => `${a}\n${renumbered(b, 1)}\n${renumbered(c, 1)}\n`,
    /:2: line 1 stands there twice/,
  ],
  ['nothing in it', () => '', null],
  ['no file', () => null, null],
];

function keptAside(host: Host): string[] {
  return readdirSync(host.at('state')).filter((name) => name.startsWith('journal.jsonl.damaged-'));
}

/** A machine that runs, its daemon killed. */
async function orphaned(host: Host): Promise<{ readonly pid: number; readonly born: number }> {
  const { pid } = await host.run({ name: 'db1', disks: [host.image('a.img')] });
  const born = startTicks(pid!);
  await host.killDaemon();
  return { pid: pid!, born };
}

/** The same process is told of as the same incarnation, can be ended as ever, and its number is not used again. */
async function goesOn(host: Host, pid: number, born: number): Promise<void> {
  expect(await host.becomes('db1', 'running')).toMatchObject({ id: 1, pid });
  expect([isAlive(pid), startTicks(pid)]).toEqual([true, born]);
  expect(processesIn(host.cgroupRoot)).toEqual([pid]);
  expect(await host.json<DomainRow[]>('list', '--all')).toMatchObject([{ id: 1, name: 'db1', state: 'running' }]);
  expect((await host.domctl(['start', 'db1'])).exit).toBe(4);
  await host.ok('destroy', 'db1', '--wait');
  expect(isAlive(pid)).toBe(false);
  await host.ok('start', 'db1');
  expect((await host.info('db1')).id).toBe(2);
}

describeEndToEnd('a journal', () => {
  test.for(damages)('with %s ends no machine: it is known again', async ([, damage, says]) => {
    await using host = await createHost();
    const { pid, born } = await orphaned(host);
    const before = readFileSync(host.journalFile, 'utf8').trimEnd().split('\n');
    expect(before).toHaveLength(3);
    const text = damage(before as unknown as Lines);
    if (text === null) rmSync(host.journalFile);
    else writeFileSync(host.journalFile, text);
    await host.nextDaemon();
    const aside = keptAside(host);
    expect(aside).toHaveLength(says === null ? 0 : 1);
    if (says !== null) {
      expect(host.log).toMatch(says);
      expect(readFileSync(host.at(`state/${aside[0]}`), 'utf8')).toBe(text);
      expect(await host.ok('doctor')).toContain(`${aside[0]} could not be read whole`);
    }
    await goesOn(host, pid, born);
  });

  test('that lost what followed a launch does not end a machine that answers nothing', async () => {
    await using host = await createHost();
    const { pid, born } = await orphaned(host);
    const [launch] = readFileSync(host.journalFile, 'utf8').split('\n');
    writeFileSync(host.journalFile, `${launch}\n`);
    process.kill(pid, 'SIGSTOP');
    await host.nextDaemon();
    expect(await host.info('db1')).toMatchObject({ state: 'starting', id: 1 });
    const isFollowed = async (): Promise<boolean> => (await host.word('db1')) === 'running';
    // It is given the minute that every start has.
    await eventually('it is taken for what it is', isFollowed, 90_000);
    process.kill(pid, 'SIGCONT');
    await goesOn(host, pid, born);
  });

  test('that is a directory is moved aside, and ends no machine', async () => {
    await using host = await createHost();
    const { pid, born } = await orphaned(host);
    rmSync(host.journalFile);
    mkdirSync(host.journalFile);
    await host.nextDaemon();
    expect(host.log).toContain('a directory in its place');
    const [aside] = keptAside(host);
    expect(statSync(host.at(`state/${aside}`)).isDirectory()).toBe(true);
    await goesOn(host, pid, born);
  });

  test('of a later version is left as it is: no daemon comes up, and the machine goes on until the right one does', async () => {
    await using host = await createHost();
    const { pid, born } = await orphaned(host);
    const own = readFileSync(host.journalFile, 'utf8');
    const later = `${own}${JSON.stringify({ v: journalVersion + 1, seq: 4, kind: 'new' })}\n`;
    writeFileSync(host.journalFile, later);
    const { exit, stderr } = await host.domctl(['list']);
    expect(exit).toBe(1);
    expect(stderr).toContain(`journal.jsonl:4: written by a later domctl (format ${journalVersion + 1}`);
    expect(stderr).toContain('hint: start the daemon of the later version; nothing was changed');
    expect([readFileSync(host.journalFile, 'utf8'), keptAside(host), isAlive(pid)]).toEqual([later, [], true]);
    // The right one would understand it; here the line goes.
    writeFileSync(`${host.journalFile}.mended`, own);
    renameSync(`${host.journalFile}.mended`, host.journalFile);
    await host.nextDaemon();
    await goesOn(host, pid, born);
  });

  test('that is lost with the definition leaves a machine that is named, left alone, and not started twice', async () => {
    await using host = await createHost({ mayLeave: true });
    const spec = { name: 'db1', disks: [host.image('a.img')] };
    const { pid, uuid, cgroup } = await host.run(spec);
    await host.ok('undefine', 'db1');
    await host.killDaemon();
    rmSync(host.journalFile);
    await host.nextDaemon();
    expect(isAlive(pid!)).toBe(true);
    expect(host.log).toContain('processes live here of which no record tells');
    expect(host.log).toContain(cgroup!);
    await host.define({ ...spec, uuid });
    const { exit, stderr } = await host.domctl(['start', 'db1']);
    expect(exit).toBe(4);
    expect(stderr).toContain(`of which no record tells\nhint: look at them and end them yourself (pids ${pid})`);
    // Its definition is there again: the next daemon knows it.
    await host.killDaemon();
    await host.nextDaemon();
    expect(await host.info('db1')).toMatchObject({ id: 1, pid, state: 'running' });
    await host.ok('destroy', 'db1', '--wait');
    await eventually('it is gone', () => !isAlive(pid!));
  });
});
