/** Process descriptors: opened, asked, signalled, closed. */
import { type ChildProcess, spawn as spawnNode } from 'node:child_process';
import { once } from 'node:events';
import { constants as files } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { closeFd, pidfdExited, pidfdOpen, pidfdSignal, watchPidfd } from '../../native/index.ts';
import { afterwards, caught, closedFd, countOpenFds, describeAsRoot, exit, opened, start } from './support.ts';

async function runningChild(): Promise<{ child: ChildProcess; pid: number }> {
  const child = spawnNode('sleep', ['1000'], { stdio: 'ignore' });
  afterwards(() => child.kill('SIGKILL'));
  await once(child, 'spawn');
  return { child, pid: child.pid ?? 0 };
}

function openedPidfd(pid: number): number {
  const pidfd = pidfdOpen(pid);
  afterwards(() => closeFd(pidfd));
  return pidfd;
}

async function pidOfDead(): Promise<number> {
  const { child, pid } = await runningChild();
  child.kill('SIGKILL');
  await once(child, 'exit');
  return pid;
}

describe('pidfdOpen', () => {
  it('opens a process', () => {
    expect(pidfdExited(openedPidfd(process.pid))).toBe(false);
  });

  it('knows no process that is dead, and no pid below 1', async () => {
    const pid = await pidOfDead();
    expect(caught(() => pidfdOpen(pid))).toMatchObject({
      name: 'KernelError',
      code: 'ESRCH',
      errno: 3,
      syscall: 'pidfd_open',
      path: `pid ${pid}`,
    });
    expect(caught(() => pidfdOpen(0))).toMatchObject({ code: 'EINVAL' });
    expect(caught(() => pidfdOpen(-1))).toMatchObject({ code: 'EINVAL' });
  });
});

describe('pidfdSignal', () => {
  it('signals the process, and says when it is gone', async () => {
    const { child, pid } = await runningChild();
    const pidfd = openedPidfd(pid);
    pidfdSignal(pidfd, 0);
    pidfdSignal(pidfd, constants.signals.SIGTERM);
    expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
    expect(pidfdExited(pidfd)).toBe(true);
    expect(caught(() => pidfdSignal(pidfd, 0))).toMatchObject({ code: 'ESRCH', syscall: 'pidfd_send_signal' });
  });

  it('refuses no signal and no pidfd', () => {
    expect(caught(() => pidfdSignal(openedPidfd(process.pid), 65))).toMatchObject({ code: 'EINVAL' });
    expect(caught(() => pidfdSignal(opened('/etc/passwd'), 0))).toMatchObject({ code: 'EBADF', path: '/etc/passwd' });
    expect(caught(() => pidfdSignal(closedFd, 0))).toMatchObject({ code: 'EBADF', path: `fd ${closedFd}` });
  });
});

describe('pidfdExited', () => {
  it('never says "exited" of what is not a pidfd, though poll would', () => {
    for (const fd of [closedFd, opened('/etc/passwd'), opened('/dev/null', files.O_RDWR)]) {
      expect(caught(() => pidfdExited(fd))).toMatchObject({ name: 'KernelError', code: 'EBADF', syscall: 'waitid' });
    }
  });
});

describe('closeFd', () => {
  it('closes once; the second time is an error', () => {
    const pidfd = pidfdOpen(process.pid);
    closeFd(pidfd);
    expect(caught(() => closeFd(pidfd))).toMatchObject({
      name: 'KernelError',
      code: 'EBADF',
      syscall: 'close',
      path: `fd ${pidfd}`,
    });
  });
});

describeAsRoot('a pidfd of a spawned child', () => {
  it('sees the zombie as exited, and reaps nothing by looking', async () => {
    const { pidfd } = start({ argv: ['/bin/sh', '-c', 'exit 9'] });
    while (!pidfdExited(pidfd)) await new Promise(setImmediate);
    expect(await exit(pidfd)).toEqual({ code: 9, signal: null });
    expect(pidfdExited(pidfd)).toBe(true);
  });

  it('may be opened a second time while it lives', async () => {
    const { pid, pidfd } = start({ argv: ['/bin/sleep', '1000'] });
    const second = openedPidfd(pid);
    pidfdSignal(second, constants.signals.SIGKILL);
    expect(await exit(pidfd)).toEqual({ code: null, signal: constants.signals.SIGKILL });
  });
});

describe('watchPidfd refuses', () => {
  it('what is not a pidfd, and leaves nothing open', () => {
    const notPidfd = opened('/etc/passwd');
    const before = countOpenFds();
    expect(caught(() => watchPidfd(notPidfd, () => undefined))).toMatchObject({ code: 'EBADF' });
    expect(caught(() => watchPidfd(closedFd, () => undefined))).toMatchObject({ code: 'EBADF' });
    expect(countOpenFds()).toBe(before);
  });
});
