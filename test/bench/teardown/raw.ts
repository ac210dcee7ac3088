/** QEMU by hand: spawned by us, ended by a signal, and off when we have reaped it. */
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Cgroup } from '../../../cgroups/cgroup.ts';
import type { CgroupRoot } from '../../../cgroups/hierarchy.ts';
import { pidfdSignal, type Spawned } from '../../../native/index.ts';
import { type Monitor, openMonitor } from './monitor.ts';
import { type Contender, type Live, until } from './contender.ts';
import { type Guest, guestBytes, makeImage } from './guest.ts';
import { accelerator } from '../machine.ts';
import { bear, type Newborn, ownedDirectory } from './program-birth.ts';
import { atEnd } from '../ending.ts';

export interface RawOptions {
  readonly name: string;
  readonly signal: 'SIGTERM' | 'SIGKILL';
  readonly asyncTeardown: boolean;
}

export interface RawPlace {
  readonly scratch: string;
  readonly root: CgroupRoot;
}

const emulator = '/usr/bin/qemu-system-x86_64';
const sandbox = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';

let started = 0;

export function raw(options: RawOptions, place: RawPlace): Contender {
  const image = makeImage(join(place.scratch, `${options.name.replaceAll(/\W+/g, '-')}.raw`));
  const start = async (guest: Guest): Promise<Live> => {
    const running = await launch({ ...place, image, guest, asyncTeardown: options.asyncTeardown });
    running.qmp.close();
    return {
      pid: running.pid,
      image,
      stop: async () => end(running, options.signal),
      prepareRestart: async () => undefined,
      restart: async () => {
        await end(running, options.signal);
        const next = await launch({ ...place, image, guest: { ...guest, touched: false }, asyncTeardown: false });
        await next.qmp.execute('cont');
        nexts.push(next);
      },
      clear: clearNexts,
    };
  };
  return { name: options.name, start };
}

const nexts: Running[] = [];

/** The least a restart takes: spawn, QMP, vCPUs told to run; nothing to end before. */
export function floor(place: RawPlace): Contender {
  const image = makeImage(join(place.scratch, 'floor.raw'));
  const start = async (guest: Guest): Promise<Live> => ({
    pid: 0,
    image,
    stop: async () => Promise.reject(new Error('there is nothing to stop')),
    prepareRestart: async () => undefined,
    restart: async () => {
      const next = await launch({ ...place, image, guest: { ...guest, touched: false }, asyncTeardown: false });
      await next.qmp.execute('cont');
      nexts.push(next);
    },
    clear: clearNexts,
  });
  return { name: 'floor: spawn to vCPUs running', start };
}

async function clearNexts(): Promise<void> {
  for (const next of nexts.splice(0)) {
    next.qmp.close();
    await end(next, 'SIGKILL');
  }
  await sweep();
}

interface Running extends Newborn {
  readonly qmp: Monitor;
}

const cgroups: Cgroup[] = [];

async function launch(asked: RawPlace & { image: string; guest: Guest; asyncTeardown: boolean }): Promise<Running> {
  started += 1;
  const cgroup = asked.root.at(`raw-${started}`);
  const socket = join(ownedDirectory(asked.scratch, 'sockets'), `${started}.sock`);
  const argv = [emulator, ...argvOf(asked, socket)];
  const newborn = await bear(cgroup, { argv, env: { PATH: '/usr/bin:/bin' } }, { stdout: null, stderr: 2 });
  cgroups.push(cgroup);
  atEnd(() => kill(newborn, 'SIGKILL'));
  const qmp = await openMonitor(socket);
  return { ...newborn, qmp };
}

function argvOf(
  { image, guest, asyncTeardown }: { image: string; guest: Guest; asyncTeardown: boolean },
  socket: string,
): string[] {
  const kind = {
    '4k': 'memory-backend-ram',
    thp: 'memory-backend-ram',
    memfd: 'memory-backend-memfd',
    hugetlb: 'memory-backend-memfd',
  };
  const memory = {
    'qom-type': kind[guest.pages],
    id: 'pc.ram',
    size: guestBytes(guest),
    share: guest.pages === 'memfd',
    ...(guest.pages === 'hugetlb' ? { hugetlb: true, hugetlbsize: 2 * 2 ** 20 } : {}),
    ...(guest.touched ? { prealloc: true, 'prealloc-threads': 2 } : {}),
  };
  const file = { driver: 'file', filename: image, 'node-name': 'file', locking: 'on' };
  const disk = { driver: 'raw', file: 'file', 'node-name': 'disk' };
  return [
    [
      '-S',
      '-no-user-config',
      '-nodefaults',
      '-display',
      'none',
      '-accel',
      accelerator,
      '-smp',
      '1',
      '-sandbox',
      sandbox,
    ],
    ['-machine', 'q35,memory-backend=pc.ram', '-m', `size=${guest.gib}G`, '-object', JSON.stringify(memory)],
    ['-blockdev', JSON.stringify(file), '-blockdev', JSON.stringify(disk), '-device', 'virtio-blk-pci,drive=disk'],
    ['-qmp', `unix:${socket},server=on,wait=off`],
    asyncTeardown ? ['-run-with', 'async-teardown=on'] : [],
  ].flat();
}

async function end(running: Running, signal: RawOptions['signal']): Promise<void> {
  kill(running, signal);
  await running.ended;
}

function kill({ pidfd }: Spawned, signal: RawOptions['signal']): void {
  try {
    pidfdSignal(pidfd, constants.signals[signal]);
  } catch {
    // It ended before.
  }
}

/** Cgroups whose last process is gone; one that a zombie is in stays until somebody reaps that. */
async function sweep(): Promise<void> {
  for (const cgroup of cgroups.splice(0)) {
    await cgroup.remove().catch(() => cgroups.push(cgroup));
  }
}

export async function sweepAll(): Promise<void> {
  await until('raw cgroups are empty', async () => {
    await sweep();
    return cgroups.length === 0;
  });
}
