/** What spawn does when it cannot: the step is named, nothing is left behind. */
import { chmodSync, constants, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { KernelError } from '../../lib/errors.ts';
import type { SpawnRequest } from '../../native/index.ts';
import {
  caught,
  caughtOrNull,
  closedFd,
  countOpenFds,
  describeAsRoot,
  exit,
  freshCgroup,
  isHybrid,
  opened,
  scratch,
  start,
  zombies,
} from './support.ts';

/** Fails to spawn, and checks what must hold after any failure. */
function failure(wanted: Partial<SpawnRequest>): KernelError {
  const cgroupFd = wanted.cgroupFd ?? freshCgroup().fd;
  const before = { fds: countOpenFds(), zombies: zombies() };
  const error = caught(() => start({ argv: ['/bin/true'], cgroupFd, ...wanted }));
  expect(error).toBeInstanceOf(KernelError);
  // One is the /dev/null that `start` opens for the length of the test.
  expect({ fds: countOpenFds() - 1, zombies: zombies() }).toEqual(before);
  return error as KernelError;
}

const nobody = { uid: 65534, gid: 65534, groups: [] };

describeAsRoot('spawn fails', () => {
  it('when there is no such program', () => {
    expect(failure({ file: '/no/such program' })).toMatchObject({
      code: 'ENOENT',
      errno: 2,
      syscall: 'execve',
      path: '/no/such program',
      message: 'execve /no/such program: ENOENT',
    });
  });

  it('when the program is not executable', () => {
    expect(failure({ file: '/etc/passwd' })).toMatchObject({ code: 'EACCES', syscall: 'execve', path: '/etc/passwd' });
  });

  it('when the program has no format the kernel knows', () => {
    const file = join(scratch(), 'text');
    writeFileSync(file, 'no interpreter line');
    chmodSync(file, 0o755);
    expect(failure({ file })).toMatchObject({ code: 'ENOEXEC', syscall: 'execve', path: file });
  });

  it('when the final user may not enter the directory', () => {
    const cwd = scratch();
    chmodSync(cwd, 0o700);
    expect(failure({ cwd, credentials: nobody })).toMatchObject({ code: 'EACCES', syscall: 'chdir', path: cwd });
  });

  it('when the cgroup is not open, not a v2 cgroup, or removed', () => {
    expect(failure({ cgroupFd: closedFd })).toMatchObject({ code: 'EBADF', syscall: 'clone3', path: 'fd 1000000' });
    const cgroupFd = opened('/tmp');
    expect(failure({ cgroupFd })).toMatchObject({ code: 'EBADF', syscall: 'clone3', path: '/tmp' });
    const cgroup = freshCgroup();
    rmdirSync(cgroup.path);
    expect(failure({ cgroupFd: cgroup.fd })).toMatchObject({ code: 'ENOENT', syscall: 'clone3' });
  });

  it('when a descriptor is not open', () => {
    const notOpen = { code: 'EBADF', syscall: 'dup', path: 'fd 1000000' };
    expect(failure({ stdout: closedFd })).toMatchObject(notOpen);
    expect(failure({ extraFds: [closedFd] })).toMatchObject(notOpen);
  });

  it.skipIf(!isHybrid)('when the v1 twin is gone', () => {
    const { twin } = freshCgroup();
    const procs = opened(join(twin, 'cgroup.procs'), constants.O_WRONLY);
    rmdirSync(twin);
    expect(failure({ joinFds: [procs] })).toMatchObject({ code: 'ENODEV', syscall: 'v1 join' });
  });

  it('when what it shall join is not writable', () => {
    const fd = opened('/etc/passwd');
    expect(failure({ joinFds: [fd] })).toMatchObject({ code: 'EBADF', syscall: 'v1 join', path: '/etc/passwd' });
  });

  it('when a soft limit is above the hard one', () => {
    const rlimits = [{ name: 'nofile', soft: 200, hard: 100 }] as const;
    expect(failure({ rlimits })).toMatchObject({ code: 'EINVAL', syscall: 'setrlimit', path: 'nofile' });
  });

  it('when there are more groups than the kernel takes', () => {
    const groups = Array.from({ length: 65_537 }, (_, index) => index);
    expect(failure({ credentials: { ...nobody, groups } })).toMatchObject({ code: 'EINVAL', syscall: 'setgroups' });
  });
});

describeAsRoot('a child that dies early', () => {
  it('is an error when it was killed before it ran', (context) => {
    const cgroup = freshCgroup();
    // Linux 6.18 kills whoever is born into a cgroup that was killed before.
    writeFileSync(join(cgroup.path, 'cgroup.kill'), '1');
    const before = zombies();
    const error = caughtOrNull(() => start({ argv: ['/bin/true'], cgroupFd: cgroup.fd }));
    if (error === null) context.skip('this kernel lets a child live in a cgroup that was killed');
    expect(error).toMatchObject({
      name: 'KernelError',
      syscall: 'killed at birth',
      code: 'ECANCELED',
      path: cgroup.path,
    });
    expect(zombies()).toEqual(before);
  });

  it('is none when its program ends at once, even by SIGKILL', async () => {
    for (let i = 0; i < 50; i++) {
      const killed = start({ argv: ['/bin/sh', '-c', 'kill -9 $$'] });
      const done = start({ argv: ['/bin/true'] });
      expect(await exit(killed.pidfd)).toEqual({ code: null, signal: 9 });
      expect(await exit(done.pidfd)).toEqual({ code: 0, signal: null });
    }
  });

  it('is an error when a frozen cgroup never lets it run', { timeout: 30_000 }, () => {
    const cgroup = freshCgroup();
    writeFileSync(join(cgroup.path, 'cgroup.freeze'), '1');
    const before = zombies();
    const error = caught(() => start({ argv: ['/bin/true'], cgroupFd: cgroup.fd }));
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'execve', path: '/bin/true' });
    expect(zombies()).toEqual(before);
    expect(readFileSync(join(cgroup.path, 'cgroup.procs'), 'utf8')).toBe('');
  });
});
