/** Which character device a console is, and the connection to it. What a hypervisor says of itself is not trusted here. */
import { once } from 'node:events';
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { ReadStream } from 'node:tty';
import { DomctlError, messageOf } from '../errors.ts';
import { unlessGone } from '../host/processes.ts';
import { type ConsoleTarget, consoleTarget } from '../qemu/chardev.ts';
import { queryChardev } from '../qemu/commands.ts';
import { connectTo } from '../qemu/own-socket.ts';
import type { QmpClient } from '../qemu/qmp.ts';
import type { FoundConsole } from './console.ts';
import type { Fleet } from './fleet.ts';
import { refusedVerb } from './refusals.ts';
import { qmpSocket } from './runtime-files.ts';
import { launchedDomain } from './stored-domain.ts';
import type { Supervisor } from './supervisor.ts';
import { withDeadline } from './waiting.ts';

/** A console's end is often seen before its hypervisor's: so long is the latter waited for, to tell the two as one. */
const endPatienceMs = 2000;

/** The console of that name, by default the first there is. Throws NO_SUCH_DOMAIN, DOMAIN_NOT_RUNNING, WRONG_STATE. */
export async function findConsole(fleet: Fleet, reference: string, devname: string | undefined): Promise<FoundConsole> {
  const { entry, supervisor } = fleet.locate(reference);
  const pid = supervisor?.handle?.identity.pid;
  if (!supervisor || pid === undefined || !hasGuest(supervisor))
    throw refusedVerb('open a console of', entry.name, supervisor, 'DOMAIN_NOT_RUNNING');
  const target = targetOf(supervisor, devname);
  return {
    key: `${supervisor.launch.id} ${JSON.stringify(target)}`,
    domain: entry.name,
    incarnation: supervisor.launch.id,
    open: async () => openTarget(target, { qmp: supervisor.qmp, pid }),
    ended: async () => untilEnded(supervisor),
  };
}

/** Resolves also when it has not ended in time. */
async function untilEnded(supervisor: Supervisor): Promise<void> {
  const isEnded = (state: Supervisor['state']): boolean => !isGuestState(state);
  await withDeadline(endPatienceMs, supervisor.ending.signal, async (signal) =>
    supervisor.until(isEnded, signal),
  ).catch(() => undefined);
}

function hasGuest({ state }: Supervisor): boolean {
  return isGuestState(state);
}

function isGuestState({ kind }: Supervisor['state']): boolean {
  return kind === 'running' || kind === 'paused' || kind === 'stopping';
}

function targetOf({ launch, services }: Supervisor, devname: string | undefined): ConsoleTarget {
  const runtime = dirname(qmpSocket(services.places, launch.id));
  const target = consoleTarget(launchedDomain(launch), runtime, devname);
  if (target?.kind === 'tcp' && target.telnet)
    throw new DomctlError('WRONG_STATE', `that console of domain '${launch.domain}' speaks telnet`, {
      hint: `telnet ${target.host} ${target.port}`,
    });
  if (target) return target;
  const which = devname === undefined ? 'no console' : `no console '${devname}'`;
  throw new DomctlError('WRONG_STATE', `domain '${launch.domain}' was started with ${which} that can be connected to`, {
    hint: "define one with <console type='pty'/>, and start it again",
  });
}

/** What a connection to a target needs of its hypervisor. */
export interface Hypervisor {
  readonly qmp: QmpClient | null;
  readonly pid: number;
}

/** Connects. Throws FAILED where nobody is there, or what is there is not the hypervisor's. */
export async function openTarget(target: ConsoleTarget, hypervisor: Hypervisor): Promise<Socket> {
  switch (target.kind) {
    case 'pty':
      return openPty(target.chardev, hypervisor);
    case 'unix':
      return connected(connectTo(target.path));
    case 'tcp':
      return connected(connectToPort(target.port, target.host));
  }
}

async function connectToPort(port: number, host: string): Promise<Socket> {
  const socket = connect(port, host);
  await once(socket, 'connect');
  return socket;
}

async function connected(connecting: Promise<Socket>): Promise<Socket> {
  try {
    return await connecting;
  } catch (error) {
    throw new DomctlError('FAILED', `cannot connect to the console: ${messageOf(error)}`, { cause: error });
  }
}

async function openPty(chardev: string, { qmp, pid }: Hypervisor): Promise<Socket> {
  if (!qmp) throw new DomctlError('FAILED', 'no connection to the hypervisor: its console cannot be found');
  const behind = (await queryChardev(qmp)).find(({ label }) => label === chardev)?.filename ?? '';
  const path = /^pty:(\/dev\/pts\/\d+)$/.exec(behind)?.[1];
  if (path === undefined) throw new DomctlError('FAILED', `the hypervisor has no pty for ${chardev}`);
  const fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  // Its own user's, or it names somebody else's terminal.
  const stats = fstatSync(fd);
  if (isPty(stats) && stats.uid === userOf(pid)) return new ReadStream(fd);
  closeSync(fd);
  throw new DomctlError('FAILED', `${path} is not the hypervisor's`);
}

/** Major numbers of devpts (UNIX98_PTY_SLAVE_MAJOR of linux/major.h, and the seven after it). */
const [firstPtyMajor, lastPtyMajor] = [136, 143];

/** Whether it is the terminal's side of a pseudoterminal, as devpts makes them. */
export function isPty(stats: Stats): boolean {
  const major = Math.floor(stats.rdev / 256) % 4096;
  return stats.isCharacterDevice() && major >= firstPtyMajor && major <= lastPtyMajor;
}

/** Effective user of a process; null when it is gone. */
function userOf(pid: number): number | null {
  const status = unlessGone(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '';
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1];
  return uid === undefined ? null : Number(uid);
}
