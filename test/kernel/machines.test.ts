/** What a real hypervisor is given besides its arguments, and what is proven of it when it is gone. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, type TestContext } from 'vitest';
import { followCompanions, livingCompanions, readCompanions } from '../../lib/daemon/companions.ts';
import { applyLimits, requireLimits } from '../../lib/daemon/limits.ts';
import type { Filesystem } from '../../lib/domain/devices.ts';
import type { Cputune } from '../../lib/domain/definition.ts';
import { findTaken, isTaken } from '../../lib/daemon/resources.ts';
import { sharedPath } from '../../lib/domain/shmem.ts';
import { findClaimHolder } from '../../lib/drain/holders.ts';
import { probeClaim } from '../../lib/drain/probes.ts';
import { openFiles, readProcess, unlessGone } from '../../lib/host/processes.ts';
import { claimNamedTaps, openTaps, requireNetwork } from '../../lib/host/taps.ts';
import { interfaceIndex } from '../../native/index.ts';
import { afterwards, born, eventually, freshCgroup, outside, python, scratch } from './support.ts';
import { directory } from '../fixtures/qmp/domains.ts';
import { card, machine } from '../unit/daemon/machine.ts';
import { fresh, type Machine } from './machines.ts';

function hypervisorOf({ supervisor: { state } }: Machine): number {
  if (!('hypervisor' in state) || !state.hypervisor) throw new Error(`no hypervisor: ${state.kind}`);
  return state.hypervisor.pid;
}

let names = 0;

function freshName(kind: string): string {
  names += 1;
  const name = `dk${kind}${process.pid % 100_000}-${names}`;
  afterwards(() => {
    if (interfaceIndex(name) !== null) execFileSync('ip', ['link', 'delete', name]);
  });
  return name;
}

function freshBridge(): string {
  const bridge = freshName('b');
  execFileSync('ip', ['link', 'add', bridge, 'type', 'bridge']);
  return bridge;
}

function about(name: string, file: string): string {
  return readFileSync(`/sys/class/net/${name}/${file}`, 'utf8').trim();
}

/** Interfaces that the process has open, by its descriptors. */
function tapsOf(pid: number): string[] {
  return openFiles(pid).flatMap(({ target, path }) => {
    if (!target.endsWith('/net/tun')) return [];
    return [/^iff:\s+(.*)$/m.exec(readFileSync(path.replace('/fd/', '/fdinfo/'), 'utf8'))?.[1] ?? ''];
  });
}

describe('a tap', () => {
  test('is made in the bridge, is the hypervisor’s alone, and proves by its end that it is free', async (context) => {
    const bridge = freshBridge();
    const vm = await fresh(context, machine({ interfaces: [{ ...card, type: 'bridge', bridge, mtu: 1400 }] }));
    await vm.start();
    const [claim] = vm.supervisor.launch.claims;
    const tap = claim?.kind === 'tap' ? claim.name : '';
    expect(tap).toBe(`dctl${vm.supervisor.launch.id}-0`);
    expect([about(tap, 'address'), about(tap, 'mtu'), about(tap, 'carrier')]).toEqual([
      'fe:54:00:aa:bb:cc',
      '1400',
      '1',
    ]);
    expect(readlinkSync(`/sys/class/net/${tap}/brport/bridge`).endsWith(`/${bridge}`)).toBe(true);
    expect([tapsOf(hypervisorOf(vm)), tapsOf(process.pid)]).toEqual([[tap], []]);
    await vm.supervisor.tell({ kind: 'destroyRequested', graceful: false });
    await vm.becomes('released');
    expect(interfaceIndex(tap)).toBeNull();
  });

  test('of several queues is given as often', async (context) => {
    const name = freshName('q');
    const vm = await fresh(context, machine({ interfaces: [{ ...card, tap: name, queues: 2 }] }));
    await vm.start();
    expect(tapsOf(hypervisorOf(vm))).toEqual([name, name]);
  });

  test('of the operator is opened, never changed, and free when nobody has it', async (context) => {
    const name = freshName('o');
    execFileSync('ip', ['tuntap', 'add', 'dev', name, 'mode', 'tap', 'vnet_hdr']);
    execFileSync('ip', ['link', 'set', name, 'up']);
    const before = about(name, 'address');
    const vm = await fresh(context, machine({ interfaces: [{ ...card, tap: name, tapManaged: false }] }));
    await vm.start();
    expect([about(name, 'carrier'), about(name, 'address')]).toEqual(['1', before]);
    await vm.supervisor.tell({ kind: 'destroyRequested', graceful: false });
    await vm.becomes('released');
    expect(about(name, 'carrier')).toBe('0');
  });

  test('of the operator that another program took keeps no incarnation exiting', async (context) => {
    const name = freshName('e');
    execFileSync('ip', ['tuntap', 'add', 'dev', name, 'mode', 'tap', 'vnet_hdr']);
    const [claim] = claimNamedTaps([{ ...card, tap: name, tapManaged: false }]);
    if (!claim) throw new Error('no claim');
    const cgroup = await freshCgroup(context);
    const place = { pinned: new Set<string>(), cgroup };
    for (const state of ['down', 'up']) {
      execFileSync('ip', ['link', 'set', name, state]);
      const straggler = await born(cgroup, python, '-c', attachTo(name));
      await straggler.heard('ready');
      expect([state, await probeClaim(claim, place)]).toMatchObject([state, { free: false }]);
      straggler.kill();
      await straggler.ended;
      const taker = await outside('-c', attachTo(name));
      await taker.heard('ready');
      const probe = state === 'up' ? 'carrier: attached' : 'fdinfo of every process: open';
      const theirs = { probe: `${probe}, by other programs alone`, free: true };
      expect([state, await probeClaim(claim, place)]).toMatchObject([state, theirs]);
      taker.kill();
      await taker.ended;
      expect([state, await probeClaim(claim, place)]).toMatchObject([state, { free: true }]);
    }
  });

  test('that somebody has is theirs by name, up or down, and not ours to take', async () => {
    const name = freshName('h');
    execFileSync('ip', ['tuntap', 'add', 'dev', name, 'mode', 'tap', 'vnet_hdr']);
    const [claim] = claimNamedTaps([{ ...card, tap: name, tapManaged: false }]);
    if (!claim) throw new Error('no claim');
    for (const state of ['down', 'up']) {
      execFileSync('ip', ['link', 'set', name, state]);
      expect([state, await isTaken(claim)]).toEqual([state, false]);
      const holder = await outside('-c', attachTo(name));
      await holder.heard('ready');
      const named = expect.stringMatching(new RegExp(`\\(pid ${holder.pid}\\)$`)) as string;
      expect(await findTaken([claim])).toEqual([{ claim, holder: named }]);
      expect(() => openTaps([{ ...card, tap: name, tapManaged: false }], 1)).toThrow(`tap '${name}' is in use`);
      holder.kill();
      await holder.ended;
    }
  });

  test.each([
    [{ type: 'bridge', bridge: 'dk-none' }, "the bridge 'dk-none', which <source bridge='dk-none'/> names"],
    [{ type: 'bridge', bridge: 'lo' }, "the bridge 'lo', which <source bridge='lo'/> names"],
    [{ tap: 'dk-none', tapManaged: false }, "the tap 'dk-none', which <target dev='dk-none' managed='no'/> names"],
  ] as const)('is asked for before anything is made: %j', (change, what) => {
    expect(() => {
      requireNetwork([
        { ...card, type: 'user' },
        { ...card, ...change },
      ]);
    }).toThrow(`this host lacks ${what}`);
  });

  test('without its bridge fails by the element, and leaves nothing', async (context) => {
    const vm = await fresh(context, machine({ interfaces: [{ ...card, type: 'bridge', bridge: 'dk-none' }] }));
    await expect(vm.start()).rejects.toMatchObject({
      code: 'HOST_LACKS',
      message: "this host lacks the bridge 'dk-none', which <source bridge='dk-none'/> names",
      hint: expect.stringContaining('ip link add dk-none type bridge') as string,
    });
    await vm.becomes('released');
    expect(interfaceIndex(`dctl${vm.supervisor.launch.id}-0`)).toBeNull();
  });
});

describe('a port', () => {
  test('that another program took keeps no incarnation exiting: none of it is left there', async (context) => {
    const holder = await outside('-c', listenUntilTold);
    await holder.heard('ready');
    const port = listenedBy(holder.pid);
    const vm = await withPort(context, port);
    await vm.start();
    await vm.supervisor.tell({ kind: 'destroyRequested', graceful: false });
    await vm.becomes('released');
    expect(listenedBy(holder.pid)).toBe(port);
  });

  test('that a process of the incarnation still has keeps it exiting, by name', async (context) => {
    const { cgroup } = await withPort(context, 1).then(({ supervisor }) => supervisor);
    const holder = await born(cgroup, python, '-c', listenUntilTold);
    await holder.heard('ready');
    const port = listenedBy(holder.pid);
    const claim = { kind: 'port', protocol: 'tcp', address: '127.0.0.1', port, mode: 'exclusive' } as const;
    const place = { pinned: new Set<string>(), cgroup };
    const resource = `tcp port 127.0.0.1:${port}`;
    const busy = { claim, resource, probe: 'bind and listen: EADDRINUSE', free: false };
    expect(await probeClaim(claim, place)).toEqual(busy);
    holder.kill();
    await holder.ended;
    expect(await probeClaim(claim, place)).toMatchObject({ probe: 'bind and listen: succeeds', free: true });
  });
});

function attachTo(tap: string): string {
  return `import fcntl,struct,sys
f=open('/dev/net/tun','r+b',buffering=0)
fcntl.ioctl(f,0x400454ca,struct.pack('16sH22x',b'${tap}',0x5002))
print('ready',flush=True); sys.stdin.read()`;
}

const listenUntilTold =
  'import socket,sys\ns=socket.create_server(("127.0.0.1",0))\nprint(s.getsockname()[1])\nprint("ready",flush=True)\nsys.stdin.read()';

/** A machine that claims the port; its hypervisor does not listen there. */
async function withPort(context: TestContext, port: number): Promise<Machine> {
  const forward = { protocol: 'tcp', address: '127.0.0.1', hostPort: port, guestPort: 22 } as const;
  const claiming = machine({ interfaces: [{ ...card, type: 'user', portForwards: [forward] }] });
  return fresh(context, claiming, { domain: machine() });
}

function listenedBy(pid: number): number {
  const inodes = openFiles(pid).flatMap(({ target }) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []);
  const line = readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .find((row) => inodes.includes(row.trim().split(/\s+/)[9] ?? ''));
  return Number.parseInt(/:([0-9A-F]{4}) /.exec(line ?? '')?.[1] ?? '', 16);
}

const noTuning: Cputune = {
  shares: null,
  vcpuBandwidth: null,
  emulatorBandwidth: null,
  globalBandwidth: null,
  cpuset: null,
  vcpuPins: [],
  emulatorPin: null,
  iothreadBandwidth: null,
  iothreadPins: [],
};

/** Of each thread by its name, the CPUs it may run on. */
function affinity(pid: number): [string, string][] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) => {
    // QEMU's own helping threads come and go.
    const status = unlessGone(() => readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'));
    if (status === null) return [];
    return [[/^Name:\s+(.*)$/m.exec(status)?.[1] ?? '', /^Cpus_allowed_list:\s+(.*)$/m.exec(status)?.[1] ?? '']];
  });
}

describe('threads', () => {
  test('run on the CPUs that the definition pins them to, its helper wherever it likes', async (context) => {
    if (cpus().length < 2) context.skip('one processor');
    const cputune = { ...noTuning, cpuset: [1], vcpuPins: [{ vcpu: 0, cpus: [0] }] };
    const vm = await fresh(context, machine({ cputune }));
    await vm.start();
    const threads = affinity(hypervisorOf(vm));
    expect(threads.filter(([name]) => name.startsWith('CPU '))).toEqual([
      [expect.stringMatching(/^CPU 0/), '0'],
      [expect.stringMatching(/^CPU 1/), '1'],
    ]);
    const others = threads.filter(([name]) => !name.startsWith('CPU '));
    expect(others.length).toBeGreaterThan(0);
    expect(new Set(others.map(([, cpus]) => cpus))).toEqual(new Set(['1']));
    const { state } = vm.supervisor;
    const helper = state.kind === 'running' ? state.helper?.pid : undefined;
    expect(affinity(helper ?? 0)).toEqual([[`cleanup/${hypervisorOf(vm)}`, affinity(process.pid)[0]?.[1]]]);
  });
});

/** CPU time that a group of threads may use, as the kernel has it. */
function bandwidthOf({ supervisor: { cgroup } }: Machine, group = ''): string {
  return readFileSync(join(cgroup.directory, group, 'cpu.max'), 'utf8').trim();
}

describe('limits', () => {
  const half = { quotaUs: 50_000, periodUs: 100_000 };
  const tenth = { quotaUs: 10_000, periodUs: 100_000 };

  test('are on the incarnation and its groups of threads while it runs, and lifted for its end', async (context) => {
    const cputune = { ...noTuning, shares: 200, globalBandwidth: half, vcpuBandwidth: tenth, emulatorPin: [0] };
    const memtune = { hardLimitBytes: 2 ** 29, softLimitBytes: null, swapHardLimitBytes: null };
    const vm = await fresh(context, machine({ cputune, memtune }));
    const controllers = vm.supervisor.services.root.controllers();
    if (!controllers.includes('cpu')) context.skip('no cgroup v2 controller cpu on this host');
    await vm.start();
    const { cgroup } = vm.supervisor;
    expect(readFileSync(`${cgroup.directory}/memory.max`, 'utf8').trim()).toBe(String(2 ** 29));
    expect([bandwidthOf(vm), bandwidthOf(vm, 'vcpu0'), bandwidthOf(vm, 'emulator')]).toEqual([
      '50000 100000',
      '10000 100000',
      'max 100000',
    ]);
    if (controllers.includes('cpuset'))
      expect(readFileSync(`${cgroup.directory}/emulator/cpuset.cpus`, 'utf8').trim()).toBe('0');
    const { state } = vm.supervisor;
    // The helper stays where no group of threads has a say; all else is sorted.
    expect(cgroup.looseThreads()).toEqual(state.kind === 'running' ? [state.helper?.pid] : []);
    process.kill(hypervisorOf(vm), 'SIGSTOP');
    await vm.supervisor.tell({ kind: 'destroyRequested', graceful: true });
    await eventually(
      'it is lifted',
      () => bandwidthOf(vm) === 'max 100000' && bandwidthOf(vm, 'vcpu0') === 'max 100000',
    );
    process.kill(hypervisorOf(vm), 'SIGCONT');
    await vm.becomes('released');
  });

  test('that the cgroups of this host cannot hold are refused by their element', async (context) => {
    const cputune = { ...noTuning, vcpuBandwidth: tenth };
    const memtune = { hardLimitBytes: 2 ** 29, softLimitBytes: null, swapHardLimitBytes: null };
    const vm = await fresh(context, machine());
    const { root } = vm.supervisor.services;
    if (root.hierarchy.kind === 'unified') context.skip('a unified host has all controllers');
    for (const [change, element] of [
      [{ cputune }, '<cputune><quota>'],
      [{ memtune }, '<memtune><hard_limit>'],
      [{ cputune: { ...noTuning, shares: 100 } }, '<cputune><shares>'],
      [{ blkiotune: { weight: 100, devices: [] } }, '<blkiotune><weight>'],
    ] as const) {
      const refused = {
        code: 'HOST_LACKS',
        message: expect.stringContaining(`${element} needs the cgroup v2 controller`) as string,
        hint: expect.stringContaining('systemd.unified_cgroup_hierarchy=1') as string,
      };
      await expect(requireLimits(machine(change), root)).rejects.toMatchObject(refused);
      await expect(applyLimits(vm.supervisor, machine(change))).rejects.toMatchObject(refused);
    }
    await requireLimits(machine({ cputune: { ...noTuning, vcpuPins: [{ vcpu: 0, cpus: [0] }] } }), root);
  });
});

describe('locked memory', () => {
  test('has no limit, or is refused by its element where the limit cannot be lifted', async (context) => {
    const backing = { ...machine().memoryBacking, locked: true };
    const vm = await fresh(context, machine({ memoryBacking: backing }));
    if (!mayLiftLimits()) {
      await expect(vm.start()).rejects.toMatchObject({
        code: 'HOST_LACKS',
        message: '<locked/> needs the right to lift the limit of locked memory',
      });
      return;
    }
    await vm.start();
    const limits = readFileSync(`/proc/${hypervisorOf(vm)}/limits`, 'utf8');
    expect(limits).toMatch(/^Max locked memory +unlimited +unlimited/m);
  });
});

/** CAP_SYS_RESOURCE (24), or nothing to lift. */
function mayLiftLimits(): boolean {
  const status = readFileSync('/proc/self/status', 'utf8');
  const capabilities = BigInt(`0x${/^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
  const limits = readFileSync('/proc/self/limits', 'utf8');
  return ((capabilities >> 24n) & 1n) === 1n || /^Max locked memory +\S+ +unlimited/m.test(limits);
}

test('a store of errors is the guest’s memory, and free with the last process', async (context) => {
  const directory = scratch();
  chmodSync(directory, 0o711);
  const path = join(directory, 'errors');
  const vm = await fresh(context, machine({ pstore: { path, sizeBytes: 65_536, address: null } }));
  const [claim] = vm.supervisor.launch.claims;
  expect(await isTaken(claim!)).toBe(false);
  await vm.start();
  expect(await findClaimHolder(claim!, '')).toContain('qemu');
  expect(await isTaken(claim!)).toBe(true);
  await vm.supervisor.tell({ kind: 'destroyRequested', graceful: false });
  await vm.becomes('released');
  expect(vm.history).toContain('draining');
  expect(await isTaken(claim!)).toBe(false);
  // The UEFI specification's signature of a storage of records.
  expect(readFileSync(path).subarray(0, 8).toString('latin1')).toBe('ERSTSTOR');
});

test('memory that guests share is the host’s: filled by who starts them, left where it is, and no reason to drain', async (context) => {
  const sizeBytes = 64 * 2 ** 20;
  const shared = {
    model: 'ivshmem-plain',
    name: `domctl-kernel-${process.pid}`,
    role: null,
    sizeBytes,
    address: null,
  } as const;
  const path = sharedPath(shared);
  afterwards(() => {
    rmSync(path, { force: true });
  });
  const vm = await fresh(context, machine({ shmems: [shared] }));
  vm.supervisor.sharedBytes = sizeBytes;
  await vm.start();
  expect(vm.supervisor.sharedBytes).toBe(0);
  expect(statSync(path)).toMatchObject({ uid: 65_534, size: sizeBytes, blocks: sizeBytes / 512 });
  const memory = vm.supervisor.cgroup.memory();
  expect(memory.known && memory.value.sharedBytes).toBeLessThan(sizeBytes);
  await vm.supervisor.tell({ kind: 'destroyRequested', graceful: false });
  await vm.becomes('released');
  expect(statSync(path).blocks).toBe(sizeBytes / 512);
});

describe('a companion', () => {
  const swtpm = { tpm: { model: 'tpm-crb', backend: 'emulator', version: '2.0' } } as const;

  function skipWithout(context: Parameters<Parameters<typeof test>[2] & object>[0], ...paths: string[]): void {
    if (!paths.some((path) => existsSync(path))) context.skip(`no ${paths[0]} on this host`);
  }

  test('swtpm is born beside the hypervisor as its user, and gone before resources are called free', async (context) => {
    skipWithout(context, '/usr/bin/swtpm');
    const vm = await fresh(context, machine(swtpm));
    await vm.start();
    const [fact] = readCompanions(vm.supervisor);
    const pid = fact?.processes[0]?.pid ?? 0;
    expect(statSync(`/proc/${pid}`).uid).toBe(65_534);
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^CapEff:\s+0+$/m);
    expect(vm.supervisor.cgroup.processes()).toContain(pid);
    expect(existsSync(join(vm.places.stateDir, 'tpm', vm.supervisor.launch.uuid))).toBe(true);
    await vm.supervisor.tell({ kind: 'destroyRequested', graceful: false });
    await eventually('it is free', () => vm.history.includes('draining'));
    expect(livingCompanions(vm.supervisor)).toEqual([]);
    await vm.becomes('released');
    await eventually('it is reaped', () => readProcess(pid) === null);
  });

  test('that dies is told as a fact, by a later daemon too, and its hypervisor runs on', async (context) => {
    skipWithout(context, '/usr/bin/swtpm');
    const vm = await fresh(context, machine(swtpm));
    await vm.start();
    followCompanions(vm.supervisor);
    const pid = readCompanions(vm.supervisor)[0]?.processes[0]?.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    await eventually('it is gone', () => livingCompanions(vm.supervisor).length === 0);
    expect(readCompanions(vm.supervisor)).toEqual([
      { companion: { kind: 'swtpm', socket: 'swtpm.sock' }, processes: [] },
    ]);
    expect(vm.supervisor.state.kind).toBe('running');
  });

  test('that ignores SIGTERM is killed a second later; until then nothing is called free', async (context) => {
    skipWithout(context, '/usr/bin/swtpm');
    const vm = await fresh(context, machine(swtpm));
    await vm.start();
    const pid = readCompanions(vm.supervisor)[0]?.processes[0]?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    await vm.supervisor.tell({ kind: 'destroyRequested', graceful: false });
    const busy = (): string[] => {
      const { state } = vm.supervisor;
      return state.kind === 'exiting' ? state.busy.map(({ resource }) => resource) : [];
    };
    await eventually('it is said to be busy', () => busy().length > 0);
    expect(busy()).toEqual([`companion swtpm (pid ${pid})`]);
    await vm.becomes('released');
    await eventually('it is reaped', () => readProcess(pid) === null);
  });

  const share = (source: string, change: Partial<Filesystem> = {}): Filesystem =>
    directory(source, { target: 'data', ...change });

  /** What a guest shares with virtiofsd is in memory that both can map. */
  const memoryBacking = { ...machine().memoryBacking, source: 'memfd', access: 'shared' } as const;

  test('virtiofsd offers its socket to the hypervisor’s user, one for each directory, and all end', async (context) => {
    skipWithout(context, '/usr/libexec/virtiofsd', '/usr/lib/qemu/virtiofsd');
    const vm = await fresh(
      context,
      machine({ memoryBacking, filesystems: [share(scratch()), share(scratch(), { target: 'b' })] }),
    );
    await vm.start();
    const facts = readCompanions(vm.supervisor);
    expect(facts.map(({ processes }) => processes.length > 0)).toEqual([true, true]);
    for (const { companion } of facts) {
      const path = join(vm.places.runtimeDir, 'incarnations', String(vm.supervisor.launch.id), companion.socket);
      expect(statSync(path).uid).toBe(65_534);
    }
    const pids = facts.flatMap(({ processes }) => processes.map(({ pid }) => pid));
    await vm.supervisor.tell({ kind: 'destroyRequested', graceful: false });
    await vm.becomes('released');
    await eventually('no process of theirs is left', () => pids.every((pid) => readProcess(pid) === null));
  });

  test('whose directory is missing, or that a definition brings along, is refused', async (context) => {
    skipWithout(context, '/usr/libexec/virtiofsd', '/usr/lib/qemu/virtiofsd');
    const own = join(scratch(), 'virtiofsd');
    writeFileSync(own, '#!/bin/sh\ntouch /was-root\n', { mode: 0o755 });
    for (const [filesystem, message] of [
      [share('/nowhere'), '/nowhere (<filesystem><source>) is not a directory'],
      [share('/tmp', { binary: own }), `${own} (<filesystem><binary>) is not where virtiofsd is installed`],
    ] as const) {
      const vm = await fresh(context, machine({ filesystems: [filesystem] }));
      await expect(vm.start()).rejects.toMatchObject({ code: 'HOST_LACKS', message });
      await vm.becomes('released');
    }
  });
});
