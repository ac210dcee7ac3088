/** QEMU by hand: spawned by us, ended by a signal, and off when we have reaped it. */
import { constants } from 'node:os';
import { join } from 'node:path';
import { chownSync, existsSync, mkdirSync, openSync } from 'node:fs';
import type { Cgroup } from '../../../cgroups/cgroup.ts';
import type { CgroupRoot } from '../../../cgroups/hierarchy.ts';
import { closeFd, pidfdSignal, spawn, type Spawned, watchPidfd } from '../../../native/index.ts';
import { type Monitor, openMonitor } from './monitor.ts';
import { type Contender, type Live, until } from './contender.ts';
import { type Guest, guestBytes, makeImage, nobody } from './guest.ts';
import { atEnd } from './ending.ts';

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

interface Running extends Spawned {
  readonly qmp: Monitor;
  readonly ended: Promise<void>;
}

const cgroups: Cgroup[] = [];

/** Where the hypervisor's user may make its own. */
function socketsOf({ scratch }: RawPlace): string {
  const directory = join(scratch, 'sockets');
  if (!existsSync(directory)) mkdirSync(directory);
  chownSync(directory, nobody, nobody);
  return directory;
}

async function launch(asked: RawPlace & { image: string; guest: Guest; asyncTeardown: boolean }): Promise<Running> {
  started += 1;
  const cgroup = asked.root.at(`raw-${started}`);
  await cgroup.create();
  cgroups.push(cgroup);
  const birth = await cgroup.openBirthPlace();
  const socket = join(socketsOf(asked), `${started}.sock`);
  const quiet = openSync('/dev/null', 'r+');
  const spawned = spawn({
    file: emulator,
    argv: [emulator, ...argvOf(asked, socket)],
    env: { PATH: '/usr/bin:/bin' },
    cwd: '/',
    stdin: quiet,
    stdout: quiet,
    stderr: 2,
    extraFds: [],
    cgroupFd: birth.cgroupFd,
    joinFds: birth.joinFds,
    credentials: { uid: nobody, gid: nobody, groups: [] },
    rlimits: [],
  });
  await birth.close();
  closeFd(quiet);
  const ended = new Promise<void>((resolve) => void watchPidfd(spawned.pidfd, () => resolve()));
  atEnd(() => kill(spawned, 'SIGKILL'));
  const qmp = await openMonitor(socket);
  return { ...spawned, qmp, ended };
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
    ['-S', '-no-user-config', '-nodefaults', '-display', 'none', '-accel', 'tcg', '-smp', '1', '-sandbox', sandbox],
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
