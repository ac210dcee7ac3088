/**
 * A host that runs out of memory while a machine is force-started over its draining predecessor: whom the kernel ends, and
 * that nobody else notices. In a lab of its own, for the OOM killer knows no bounds.
 */
import { expect, test } from 'vitest';
import type { DomainInfo, DomainRow } from '../../lib/client/contract.ts';
import type { DomainSpec } from '../e2e/domains.ts';
import { eventually } from '../e2e/facts.ts';
import { describeLab, type Ended, runIn, shellIn } from './commands.ts';
import { cgroupRoot, configure, defineIn, domctlIn, jsonIn, okIn } from './domctl.ts';
import { bootLab, type Lab } from './machine.ts';
import { patient } from '../setup/slowness.ts';

/** Gives its memory back for minutes, and may be started over meanwhile, whatever the host has to bear. */
const policy = `kind: policy
version: 1
name: slow
description: of a test
extends: restart-first
forceStart: {maxDrainTime: unlimited, maxPressure: 100%}
teardown: {helper: preload, mode: gentle, gentleRate: 64KiB, minimumSize: 64MiB, stalledAfter: 600s}
`;

const database = { name: 'db1', memoryMiB: 512, touched: true, policy: 'slow' } as const;
const webServer = { name: 'web1', memoryMiB: 128, touched: true } as const;

/** Takes all the memory there is once told so, and keeps it. The kernel fills it: by a fault each page would take a millisecond here. */
const eater = `
const { existsSync, openSync, readSync } = require('node:fs');
const held = [];
const zeros = openSync('/dev/zero');
const waiting = setInterval(() => {
  if (!existsSync('/run/eat')) return;
  clearInterval(waiting);
  for (;;) {
    held.push(Buffer.allocUnsafeSlow(2 ** 23));
    readSync(zeros, held.at(-1));
  }
}, 20);`;

/**
 * Everything that runs from now on but what is moved out again keeps its programs in memory (`memory.min`): without it a host
 * without swap reads them again and again, for minutes, before the kernel takes it for one without memory.
 */
const keepPrograms = `
set -e
cd /sys/fs/cgroup
echo +memory > cgroup.subtree_control
mkdir services
echo 1G > services/memory.min
echo $PPID > services/cgroup.procs`;

/** A host with both machines, and a daemon that the service manager spares, as its unit has it. */
async function bootHost(database: DomainSpec): Promise<Lab> {
  const lab = await bootLab({ kind: 'uml', memoryMiB: 2560 });
  const { code, stderr } = await shellIn(lab, keepPrograms);
  if (code !== 0) throw new Error(stderr);
  await configure(lab, { slow: policy });
  await domctlIn(lab, ['list'], ['choom', '-n', '-900', '--']);
  for (const spec of [database, webServer]) {
    await defineIn(lab, spec.name, spec);
    await okIn(lab, 'start', spec.name);
  }
  return lab;
}

async function linesOf(lab: Lab, script: string): Promise<string[]> {
  const { stdout } = await shellIn(lab, script);
  return stdout.split('\n').filter((line) => line !== '');
}

/** Whom the kernel chose to end for want of memory, in this order; whoever shares its memory, or its machine, went with it. */
async function victims(lab: Lab): Promise<{ readonly cgroup: string; readonly pid: number }[]> {
  const lines = await linesOf(lab, 'dmesg | grep "oom-kill:"');
  return lines.map((line) => {
    const { cgroup = '', pid } = /task_memcg=(?<cgroup>[^,]+),.*pid=(?<pid>\d+)/.exec(line)?.groups ?? {};
    return { cgroup, pid: Number(pid) };
  });
}

async function processesOf(lab: Lab, incarnation: string): Promise<number[]> {
  return (await linesOf(lab, `cat /sys/fs/cgroup${cgroupRoot}/${incarnation}/cgroup.procs`)).map(Number);
}

async function daemonOf(lab: Lab): Promise<number> {
  return (await jsonIn<{ pid: number }>(lab, 'daemon', 'status')).pid;
}

async function infoOf(lab: Lab, name: string): Promise<DomainInfo> {
  return jsonIn(lab, 'dominfo', name);
}

/** What must be the same after as before: the daemon, the machine that has nothing to do with it, and that both answer. */
async function bystanders(lab: Lab): Promise<object> {
  const { pid, state } = await infoOf(lab, 'web1');
  return { daemon: await daemonOf(lab), pid, state };
}

interface Eating {
  readonly pid: number;
  readonly ended: Promise<Ended>;
}

/** Ready, and not hungry yet. */
async function beginEating(lab: Lab): Promise<Eating> {
  const outside = 'echo $$ > /sys/fs/cgroup/cgroup.procs && exec "$@"';
  const ended = runIn(lab, ['sh', '-c', outside, 'sh', process.execPath, '-e', eater]);
  const pid = await eventually('the eater is up', async () => {
    const [found] = await linesOf(lab, `pgrep -f 'held.push' | head -n 1`);
    return found === undefined ? null : Number(found);
  });
  return { pid, ended };
}

async function eat(lab: Lab): Promise<void> {
  await shellIn(lab, 'touch /run/eat');
}

/** Numbers count through the host: the first start was db1's, the second web1's. */
const startedAnew = 3;

/** Resolves, with the answer still to come, when the new incarnation is on its way. */
async function forceStart(lab: Lab): Promise<{ readonly done: Promise<string> }> {
  const done = okIn(lab, 'force-start', 'db1');
  const isLaunching = async (): Promise<boolean> =>
    (await shellIn(lab, `test -d /sys/fs/cgroup${cgroupRoot}/vm-db1/${startedAnew}`)).code === 0;
  await Promise.race([done, eventually('its launch', isLaunching, 60_000)]);
  return { done };
}

describeLab('a host without memory', () => {
  test('ends what is left of an ended machine first, then whoever took most: machines, force-start and daemon go on', {
    timeout: patient(900_000),
  }, async () => {
    await using lab = await bootHost(database);
    const before = await bystanders(lab);
    const eating = await beginEating(lab);
    await okIn(lab, 'destroy', 'db1');
    const [helper] = await processesOf(lab, 'vm-db1/1');

    const started = await forceStart(lab);
    await eat(lab);
    const rows = await jsonIn<DomainRow[]>(lab, 'list');
    expect(rows.map(({ name }) => name).sort()).toEqual(['db1', 'web1']);

    expect(await eating.ended).toMatchObject({ signal: 9 });
    await started.done;
    expect(await victims(lab)).toEqual([
      { cgroup: `${cgroupRoot}/vm-db1/1`, pid: helper },
      { cgroup: '/', pid: eating.pid },
    ]);
    expect(await bystanders(lab)).toEqual(before);
    const info = await eventually('the first incarnation is released', async () => {
      const now = await infoOf(lab, 'db1');
      return now.incarnations.length === 1 && now;
    });
    expect(info).toMatchObject({ state: 'running', id: startedAnew });
    // The hypervisor was asked to end, and did.
    expect(info.lastOutcome).toMatchObject({ id: 1, kind: 'destroyed', rung: 'SIGTERM', oomKilled: false });
  });

  test('gets nothing back of shared memory that another program holds, whoever is ended of its machine: whoever took most goes', {
    timeout: patient(900_000),
  }, async () => {
    await using lab = await bootHost({ ...database, shared: true });
    const before = await bystanders(lab);
    const eating = await beginEating(lab);
    const { pid } = await infoOf(lab, 'db1');
    const holder = `sleep 10000 | exec ${process.execPath} test/fixtures/programs/ram-holder.mjs ${pid}`;
    runIn(lab, ['sh', '-c', holder]).catch(() => undefined); // it ends with the lab
    await eventually('the holder has it', async () => {
      const found = await shellIn(lab, `readlink /proc/$(pgrep -nf 'node.*[r]am-holder')/fd/* | grep -q memfd`);
      return found.code === 0;
    });
    await okIn(lab, 'destroy', 'db1');
    const [helper] = await processesOf(lab, 'vm-db1/1');

    const started = await forceStart(lab);
    await eat(lab);
    expect(await eating.ended).toMatchObject({ signal: 9 });
    await started.done;
    expect(await victims(lab)).toEqual([
      { cgroup: `${cgroupRoot}/vm-db1/1`, pid: helper },
      { cgroup: '/', pid: eating.pid },
    ]);
    expect(await bystanders(lab)).toEqual(before);
    const { state, incarnations } = await infoOf(lab, 'db1');
    const states = incarnations.map((one) => [one.id, one.state]);
    expect([state, states]).toEqual([
      'running',
      [
        [startedAnew, 'running'],
        [1, 'draining'],
      ],
    ]);
  });

  test('ends a machine that took most, whose outcome says so, rather than the program that asks for the rest', {
    timeout: patient(900_000),
  }, async () => {
    await using lab = await bootHost({ ...database, memoryMiB: 1088 });
    const before = await bystanders(lab);
    const eating = await beginEating(lab);
    await eat(lab);
    const isOff = async (): Promise<false | DomainInfo> => {
      const now = await infoOf(lab, 'db1');
      return now.state === 'shut off' && now;
    };
    const info = await eventually('db1 is shut off', isOff, 180_000);
    // There is room for a minute of its meal now.
    await shellIn(lab, `kill -KILL ${eating.pid}`);
    await eating.ended;
    expect(info.lastOutcome).toMatchObject({ id: 1, kind: 'crashed', signal: 9, rung: 'itself', oomKilled: true });
    expect(await okIn(lab, 'domstate', 'db1', '--reason')).toBe('shut off (crashed, by the OOM killer)\n');
    expect((await victims(lab)).map(({ cgroup }) => cgroup)).toEqual([`${cgroupRoot}/vm-db1/1`]);
    expect(await bystanders(lab)).toEqual(before);
  });
});
