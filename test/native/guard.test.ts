/** domctl-brake: when it freezes, thaws and raises, by directories that look like cgroups; then with the kernel's own freezer. */
import { type ChildProcessWithoutNullStreams, spawn as spawnNode } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Guard, type GuardOrder } from '../../native/guard.ts';
import { afterwards, scratch } from './support.ts';

const MiB = 2 ** 20;
const program = 'native/build/Release/domctl-brake';

/** A directory with a cgroup's memory files, as plain files. */
function fakeMemory(
  directory: string,
  mib: number,
  kind: 'unified' | 'twin' = 'twin',
): (mib: number, file?: number) => void {
  mkdirSync(directory, { recursive: true });
  const current = kind === 'unified' ? 'memory.current' : 'memory.usage_in_bytes';
  const prefix = kind === 'unified' ? '' : 'total_';
  const hold = (mib: number, file = 0): void => {
    writeFileSync(join(directory, 'memory.stat'), `${prefix}inactive_file ${file * MiB}\n${prefix}active_file 0\n`);
    writeFileSync(join(directory, current), `${(mib + file) * MiB}\n`);
  };
  hold(mib);
  if (kind === 'unified') for (const name of ['memory.max', 'memory.high']) writeFileSync(join(directory, name), '');
  return hold;
}

interface Fake {
  readonly order: GuardOrder;
  readonly vm: (mib: number, file?: number) => void;
  readonly old: (mib: number, file?: number) => void;
  readonly oldDirectory: string;
  frozen(): boolean;
  fence(name: 'memory.max' | 'memory.high'): string;
}

/** 700 MiB for a predecessor that holds 500 and a machine that is promised 600. */
function fake(kind: 'unified' | 'twin' = 'twin', over: Partial<GuardOrder> = {}): Fake {
  const directory = scratch();
  const [memory, oldDirectory, freezer] = [join(directory, 'vm'), join(directory, 'old'), join(directory, 'vcpus')];
  mkdirSync(freezer);
  writeFileSync(join(freezer, 'cgroup.freeze'), '1');
  const turn = join(directory, 'turn');
  writeFileSync(turn, '');
  const order = {
    memory,
    freezers: [freezer],
    drains: [oldDirectory],
    turn,
    neededBytes: 600 * MiB,
    boundBytes: 700 * MiB,
    marginBytes: 40 * MiB,
    floorBytes: 0,
    vcpus: 1,
    maxAfter: 'max',
    highAfter: 'max',
    ...over,
  };
  return {
    order,
    vm: fakeMemory(memory, 50, kind),
    old: fakeMemory(oldDirectory, 500, kind),
    oldDirectory,
    frozen: () => readFileSync(join(freezer, 'cgroup.freeze'), 'utf8') === '1',
    fence: (name) => readFileSync(join(memory, name), 'utf8'),
  };
}

async function started(order: GuardOrder): Promise<Guard> {
  const guard = await Guard.start(order, () => undefined);
  afterwards(async () => guard.lift());
  return guard;
}

async function eventually(what: string, isSo: () => boolean, withinMs = 2000): Promise<number> {
  const begin = performance.now();
  while (!isSo()) {
    if (performance.now() - begin > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await pause(1);
  }
  return performance.now() - begin;
}

/** One without a client, to be silent to. */
async function bare(order: GuardOrder): Promise<ChildProcessWithoutNullStreams> {
  const { memory, freezers, drains, turn, neededBytes, boundBytes, marginBytes } = order;
  const sizes = [`--need=${neededBytes}`, `--bound=${boundBytes}`, `--margin=${marginBytes}`, '--vcpus=1'];
  const files = [`--vm=${memory}`, `--freezer=${freezers[0]}`, `--drain=${drains[0]}`, `--turn=${turn}`];
  const child = spawnNode(program, [...files, ...sizes]);
  child.stdin.on('error', () => undefined);
  afterwards(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await eventually('ready', () => /^ready$/m.test(said));
  return child;
}

test('a guard thaws what one before it left frozen, then says that it is ready', async () => {
  const { order, frozen } = fake();
  expect(frozen()).toBe(true);
  await started(order);
  expect(frozen()).toBe(false);
});

test('vCPUs are frozen a margin below the limit, and thawed when memory has come back', async () => {
  const { order, vm, old, frozen } = fake();
  await started(order);
  vm(170);
  await eventually('frozen at 170 of 200 MiB', frozen);
  old(450);
  await eventually('thawed at 170 of 250 MiB', () => !frozen());
});

test('page cache is not held, neither by the machine nor by the draining', async () => {
  const { order, vm, frozen } = fake();
  await started(order);
  vm(100, 500);
  await pause(60); // three looks: nothing may happen
  expect(frozen()).toBe(false);
  vm(161, 500);
  await eventually('frozen by what is held', frozen);
});

test('the limit never falls, whatever the draining seem to hold', async () => {
  const { order, vm, old, frozen } = fake();
  let limitBytes = 0;
  const guard = await Guard.start(order, (status) => {
    ({ limitBytes } = status);
  });
  afterwards(async () => guard.lift());
  old(300);
  await eventually('the limit is raised', () => limitBytes === 400 * MiB);
  vm(300);
  await pause(60); // three looks: nothing may happen
  old(500);
  await pause(60);
  expect(frozen()).toBe(false);
});

test('a drain that is removed holds nothing, and the brake is lifted', async () => {
  const { order, oldDirectory } = fake();
  const guard = await started(order);
  rmSync(oldDirectory, { recursive: true });
  // An open file of a real cgroup says ENODEV then; here the descriptors live on, so the bound does it.
  guard.bound(1100 * MiB);
  expect(await guard.ended).toBe('lifted');
});

test('another bound and another drain are heeded at once', async () => {
  const { order, vm, frozen } = fake();
  const guard = await started(order);
  vm(170);
  await eventually('frozen', frozen);
  guard.bound(800 * MiB);
  await eventually('thawed', () => !frozen());
  const other = join(scratch(), 'other');
  fakeMemory(other, 100);
  guard.drain(other);
  guard.bound(900 * MiB);
  vm(270);
  await eventually('frozen at 270 of 300 MiB', frozen);
});

test('a fence is raised with the limit, and taken away at the end', async () => {
  const { order, old, fence } = fake('unified', { highAfter: '7' });
  const guard = await started(order);
  expect(fence('memory.max')).toBe(String(200 * MiB));
  expect(fence('memory.high')).toBe(String(180 * MiB));
  old(300);
  await eventually('raised', () => fence('memory.max') === String(400 * MiB));
  expect(fence('memory.high')).toBe(String(380 * MiB));
  await guard.lift();
  expect(fence('memory.max')).toMatch(/^max/);
  expect(fence('memory.high')).toMatch(/^7/);
});

test('a fence is raised by the limit alone, however near it the machine is', async () => {
  const { order, vm, old, fence } = fake('unified');
  await started(order);
  vm(195);
  old(490);
  await eventually('raised', () => fence('memory.max') !== String(200 * MiB));
  expect(fence('memory.max')).toBe(String(210 * MiB));
  expect(fence('memory.high')).toBe(String(180 * MiB));
  old(400);
  await eventually('raised', () => fence('memory.max') === String(300 * MiB));
  expect(fence('memory.high')).toBe(String(280 * MiB));
});

test('a fence does not begin below what is held, and not below what was given before', async () => {
  const held = fake('unified');
  held.vm(300);
  await started(held.order);
  expect(Number(held.fence('memory.max'))).toBeGreaterThan(300 * MiB);
  expect(Number(held.fence('memory.high'))).toBeGreaterThan(300 * MiB);
  const given = fake('unified', { floorBytes: 350 * MiB });
  await started(given.order);
  expect(given.fence('memory.max')).toBe(String(350 * MiB));
});

test('a fence that another guard has left is kept, however near the machine has come to it', async () => {
  const { order, vm, old, fence } = fake('unified', { maxAfter: String(900 * MiB) });
  vm(205);
  writeFileSync(join(order.memory, 'memory.max'), String(210 * MiB));
  await started(order);
  expect(fence('memory.max')).toBe(String(210 * MiB));
  expect(Number(fence('memory.high'))).toBeGreaterThan(205 * MiB);
  old(450);
  await eventually('raised', () => fence('memory.max') === String(250 * MiB));
});

test("a machine's own limit is no fence that was left", async () => {
  const { order, fence } = fake('unified', { maxAfter: String(600 * MiB) });
  writeFileSync(join(order.memory, 'memory.max'), String(600 * MiB));
  await started(order);
  expect(fence('memory.max')).toBe(String(200 * MiB));
});

test('a lease thaws until it ends, and past its budget only for moments', async () => {
  const { order, vm, frozen } = fake();
  const guard = await started(order);
  vm(170);
  await eventually('frozen', frozen);
  await guard.thaw(10_000);
  expect(frozen()).toBe(false);
  await pause(60); // three looks: it stays thawed
  expect(frozen()).toBe(false);
  guard.brake();
  await eventually('frozen again', frozen);
  await guard.thaw(10_000);
  vm(195);
  await eventually('past the budget it is frozen', frozen);
  await eventually('but thawed for moments', () => !frozen());
  await eventually('and frozen between them', frozen);
});

test('silence thaws within a second, and a word brakes again', async () => {
  const { order, vm, frozen } = fake();
  const child = await bare(order);
  vm(170);
  await eventually('frozen', frozen);
  expect(await eventually('thawed by silence', () => !frozen())).toBeLessThan(1000);
  child.stdin.write('beat\n');
  await eventually('frozen again', frozen);
});

test('the end of its pipe thaws within a second; without a fence it ends', async () => {
  const { order, vm, frozen } = fake();
  const child = await bare(order);
  vm(170);
  await eventually('frozen', frozen);
  const exit = once(child, 'exit');
  child.stdin.end();
  expect(await eventually('thawed', () => !frozen())).toBeLessThan(1000);
  expect((await exit)[0]).toBe(0);
});

test('the end of its pipe leaves the fence, raised until all is back', async () => {
  const { order, vm, old, frozen, fence } = fake('unified');
  const child = await bare(order);
  vm(170);
  await eventually('frozen', frozen);
  const exit = once(child, 'exit');
  child.stdin.end();
  await eventually('thawed', () => !frozen());
  vm(190);
  await pause(60); // three looks: it must not freeze
  expect(frozen()).toBe(false);
  expect(fence('memory.max')).toBe(String(200 * MiB));
  expect(fence('memory.high')).toBe(String(120 * MiB));
  old(300);
  await eventually('raised', () => fence('memory.max') === String(400 * MiB));
  old(1);
  expect((await exit)[0]).toBe(0);
  expect(fence('memory.max')).toMatch(/^max/);
});

test('a guard whose pipe has ended is relieved by the next: that one alone has the fence, and thaws nothing twice', async () => {
  const { order, vm, old, frozen, fence } = fake('unified');
  const orphan = await bare(order);
  const exit = once(orphan, 'exit');
  orphan.stdin.end();
  const next = await started(order);
  expect((await exit)[0]).toBe(0);
  expect(fence('memory.max')).toBe(String(200 * MiB));
  vm(170);
  await eventually('frozen', frozen);
  old(450);
  await eventually('raised', () => fence('memory.max') === String(250 * MiB));
  await next.lift();
  expect(fence('memory.max')).toMatch(/^max/);
});

test('a guard that is heard keeps its turn: whoever asks for it waits for its end', async () => {
  const { order } = fake('unified');
  const first = await started(order);
  const began = performance.now();
  const second = Guard.start(order, () => undefined);
  await pause(200);
  await first.lift();
  await (await second).lift();
  expect(performance.now() - began).toBeGreaterThanOrEqual(200);
  expect(await first.ended).toBe('let go');
});

test('SIGTERM thaws and lets go', async () => {
  const { order, vm, frozen } = fake();
  const child = await bare(order);
  vm(170);
  await eventually('frozen', frozen);
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exit).toEqual([0, null]);
  expect(frozen()).toBe(false);
});

test('a reader who does not read makes it neither wait nor end', async () => {
  const { order, vm, frozen } = fake();
  const child = await bare(order);
  child.stdout.pause();
  for (let word = 0; word < 20_000; word += 1) child.stdin.write('thaw 0\n'); // each is answered
  vm(170);
  const beating = setInterval(() => child.stdin.write('beat\n'), 50);
  afterwards(() => clearInterval(beating));
  await eventually('frozen', frozen);
  expect(child.exitCode).toBeNull();
});

test.each([
  ['a directory that is none', { freezers: ['/nonexistent'] }],
  ['a machine that is not there', { memory: '/nonexistent' }],
  ['a turn that nobody can have', { turn: '/nonexistent' }],
])('%s is said, with the reason', async (_what, over) => {
  const { order } = fake();
  await expect(Guard.start({ ...order, ...over }, () => undefined)).rejects.toThrow(
    /cannot be held: .*nonexistent.*: No such file/,
  );
});

test('its figures are told', async () => {
  const { order, vm, frozen } = fake();
  const seen: number[][] = [];
  const guard = await Guard.start(order, ({ heldBytes, drainingBytes, limitBytes, stillMs }) => {
    seen.push([heldBytes, drainingBytes, limitBytes, stillMs]);
  });
  afterwards(async () => guard.lift());
  vm(170);
  await eventually('frozen', frozen);
  await eventually('it tells that it has stood still for a while', () => (seen.at(-1)?.[3] ?? 0) > 100);
  expect(seen.at(-1)?.slice(0, 3)).toEqual([170 * MiB, 500 * MiB, 200 * MiB]);
});
