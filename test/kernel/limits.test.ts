/** Limits and threads of a cgroup on the real kernel. What needs a v2 controller that this host has not is skipped by name. */
import { readFileSync } from 'node:fs';
import { describe, expect, test, type TestContext } from 'vitest';
import type { Cgroup } from '../../cgroups/cgroup.ts';
import type { CgroupRoot } from '../../cgroups/hierarchy.ts';
import { known } from '../../lib/reading.ts';
import { born, eventually, exists, freshCgroup, freshRoot, MiB, type Program, python } from './support.ts';

/** A program with two threads that compute without end, each on its own (hashing holds no lock of the interpreter's). */
const spinner = `
import hashlib, threading, time
def spin(): hashlib.pbkdf2_hmac('sha256', b'x', b'y', 10 ** 9)
threads = [threading.Thread(target=spin, daemon=True) for _ in range(2)]
for thread in threads: thread.start()
print('ready', flush=True)
time.sleep(1000)
`;

async function spinning(cgroup: Cgroup): Promise<Program & { readonly threads: readonly number[] }> {
  const program = await born(cgroup, python, '-c', spinner);
  await program.heard('ready');
  const threads = cgroup.looseThreads().filter((thread) => thread !== program.pid);
  expect(threads).toHaveLength(2);
  return { ...program, threads };
}

function fileOf(cgroup: Cgroup, name: string): string {
  return readFileSync(`${cgroup.directory}/${name}`, 'utf8').trim();
}

/** CPU time used so far, microseconds. */
function usedUs(cgroup: Cgroup, group: string): number {
  return Number(/^usage_usec (\d+)$/m.exec(fileOf(cgroup, `${group}/cpu.stat`))?.[1]);
}

/** An incarnation's cgroup with these controllers, or the test is skipped. */
async function incarnationWith(
  context: TestContext,
  ...controllers: readonly ('memory' | 'cpu' | 'cpuset' | 'io' | 'hugetlb')[]
): Promise<Cgroup> {
  const root = await freshRoot(context);
  await root.makeBranch('vm-x');
  const withheld = await root.handDown(controllers, 'vm-x');
  if (withheld.length > 0) context.skip(`no cgroup v2 controller ${withheld[0]?.controller} on this host`);
  return incarnation(root);
}

async function incarnation(root: CgroupRoot): Promise<Cgroup> {
  const cgroup = root.at('vm-x', '7');
  await cgroup.create();
  return cgroup;
}

describe('a cgroup', () => {
  test('that lacks the file of a limit says so, and takes the others', async (context) => {
    const root = await freshRoot(context);
    await root.makeBranch('vm-x');
    const cgroup = await incarnation(root);
    const lacking = await cgroup.limit({ cpuWeight: 100, ioWeight: 100, memoryMax: 64 * MiB });
    const names = lacking.map(({ name }) => name);
    expect(names.filter((name) => name !== 'memoryMax')).toEqual(['cpuWeight', 'ioWeight']);
    expect(names.includes('memoryMax')).toBe(root.hierarchy.kind === 'hybrid');
  });

  test('is told which controllers do not arrive', async (context) => {
    const root = await freshRoot(context);
    await root.makeBranch('vm-x');
    const withheld = await root.handDown(['memory', 'cpu', 'io'], 'vm-x');
    const cgroup = await incarnation(root);
    const missing = ['memory', 'cpu', 'io'].filter((name) => !cgroup.controllers().includes(name));
    expect(withheld.map(({ controller }) => controller)).toEqual(missing);
    expect(missing.filter((name) => root.controllers().includes(name))).toEqual([]);
  });

  test('has no controller that nobody asked for', async (context) => {
    const root = await freshRoot(context);
    await root.makeBranch('vm-x');
    expect((await incarnation(root)).controllers().filter((name) => !['memory', 'hugetlb'].includes(name))).toEqual([]);
  });

  test('is held to its memory limits', async (context) => {
    const cgroup = await incarnationWith(context, 'memory');
    expect(await cgroup.limit({ memoryMax: 64 * MiB, memoryHigh: 128 * MiB })).toEqual([]);
    expect([fileOf(cgroup, 'memory.max'), fileOf(cgroup, 'memory.high')]).toEqual([`${64 * MiB}`, `${128 * MiB}`]);
    const holder = await born(cgroup, python, '-c', `b = bytearray(${128 * MiB})`);
    expect(await holder.ended).toEqual({ code: null, signal: 9 });
    const charge = cgroup.memory();
    expect(charge.known && charge.value.oomKills).toBeGreaterThan(0);
  });

  test('is fenced in huge pages of each size that the kernel has', async (context) => {
    const cgroup = await incarnationWith(context, 'hugetlb');
    expect(await cgroup.limit({ hugePages: new Map([[2 * MiB, 64 * MiB]]) })).toEqual([]);
    expect(fileOf(cgroup, 'hugetlb.2MB.rsvd.max')).toBe(`${64 * MiB}`);
    const none = { hugePages: new Map([[2 ** 15, 64 * MiB]]) };
    expect(await cgroup.limit(none)).toMatchObject([{ name: 'hugePages', controller: 'hugetlb' }]);
  });

  test('is held to its share and bandwidth of CPU time', async (context) => {
    const cgroup = await incarnationWith(context, 'cpu');
    expect(await cgroup.limit({ cpuWeight: 50, cpuMax: { quotaUs: 20_000, periodUs: 100_000 } })).toEqual([]);
    expect([fileOf(cgroup, 'cpu.weight'), fileOf(cgroup, 'cpu.max')]).toEqual(['50', '20000 100000']);
    await cgroup.unthrottle();
    expect(fileOf(cgroup, 'cpu.max')).toBe('max 100000');
  });
});

describe('threads in threaded children', () => {
  test('are still processes of the cgroup, which can be killed, emptied and removed', async (context) => {
    const cgroup = await freshCgroup(context);
    const program = await spinning(cgroup);
    for (const [index, thread] of program.threads.entries()) await cgroup.limitThreads(`vcpu${index}`, [thread], {});
    await cgroup.limitThreads('emulator', [program.pid], {});
    expect(cgroup.looseThreads()).toEqual([]);
    expect([cgroup.processes(), cgroup.populated()]).toEqual([[program.pid], known(true)]);
    expect(cgroup.children().sort()).toEqual(['emulator', 'vcpu0', 'vcpu1']);
    expect(fileOf(cgroup, 'cgroup.type')).toBe('domain threaded');
    await expect(cgroup.remove()).rejects.toThrow(/EBUSY/);
    await cgroup.kill();
    expect(await program.ended).toEqual({ code: null, signal: 9 });
    await eventually('it is empty', () => {
      const populated = cgroup.populated();
      return populated.known && !populated.value;
    });
    await cgroup.remove();
    expect(exists(cgroup.directory)).toBe(false);
  });

  test('leave a cgroup in which others can be born, beside them', async (context) => {
    const cgroup = await freshCgroup(context);
    const program = await spinning(cgroup);
    await cgroup.limitThreads('emulator', [program.pid], {});
    const companion = await born(cgroup, '/bin/cat');
    expect(cgroup.processes().sort()).toEqual([program.pid, companion.pid].sort());
    expect(readFileSync(`/proc/${companion.pid}/cgroup`, 'utf8')).toContain(`0::${cgroup.path}\n`);
    expect(readFileSync(`/proc/${program.pid}/cgroup`, 'utf8')).toContain(`0::${cgroup.path}/emulator\n`);
  });

  test('may be sorted again, and may have ended meanwhile', async (context) => {
    const cgroup = await freshCgroup(context);
    const program = await spinning(cgroup);
    const [first = 0] = program.threads;
    await cgroup.limitThreads('vcpu0', [first], {});
    await cgroup.limitThreads('vcpu0', [first, 2 ** 22 - 1], {});
    expect(cgroup.looseThreads()).not.toContain(first);
  });

  test('are held to a bandwidth of their own, until it is lifted', async (context) => {
    const cgroup = await incarnationWith(context, 'cpu');
    const program = await spinning(cgroup);
    const [first = 0, second = 0] = program.threads;
    const cpuMax = { quotaUs: 10_000, periodUs: 100_000 };
    expect(await cgroup.limitThreads('vcpu0', [first], { cpuMax })).toEqual([]);
    expect(await cgroup.limitThreads('vcpu1', [second], {})).toEqual([]);
    const throttled = (): boolean => Number(/^nr_throttled (\d+)$/m.exec(fileOf(cgroup, 'vcpu0/cpu.stat'))?.[1]) >= 10;
    await eventually('vcpu0 was throttled ten times', throttled, 30_000);
    expect(usedUs(cgroup, 'vcpu0')).toBeLessThan(usedUs(cgroup, 'vcpu1') / 2);
    await cgroup.unthrottle();
    expect([fileOf(cgroup, 'vcpu0/cpu.max'), fileOf(cgroup, 'vcpu1/cpu.max')]).toEqual(['max 100000', 'max 100000']);
  });

  test('run on the CPUs they are given', async (context) => {
    const cgroup = await incarnationWith(context, 'cpuset');
    const program = await spinning(cgroup);
    const [first = 0] = program.threads;
    expect(await cgroup.limitThreads('vcpu0', [first], { cpus: [0] })).toEqual([]);
    const status = readFileSync(`/proc/${program.pid}/task/${first}/status`, 'utf8');
    expect(/^Cpus_allowed_list:\s+(.*)$/m.exec(status)?.[1]).toBe('0');
  });
});
