/** The child that spawn makes: where it is born, what it still may do, and what it is given. */
import { constants, readdirSync, readFileSync, readlinkSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, type TestContext } from 'vitest';
import { isErrno } from '../../lib/errors.ts';
import type { Spawned, SpawnRequest } from '../../native/index.ts';
import {
  afterwards,
  describeAsRoot,
  exit,
  freshCgroup,
  inNode,
  isHybrid,
  opened,
  openedFifo,
  outputOf,
  scratch,
  start,
  statOf,
  until,
} from './support.ts';

const nobody = 65534;

/** A child that is past execve and its libraries, and waits for a line on stdin; to be looked at from outside. */
async function waiting(wanted: Partial<SpawnRequest> = {}): Promise<Spawned> {
  const directory = scratch();
  const stdin = openedFifo(directory, 'in');
  const stdout = opened(join(directory, 'out'), constants.O_CREAT | constants.O_RDWR);
  const child = start({ argv: ['/bin/sh', '-c', 'echo ready; read line'], stdin, stdout, stderr: stdout, ...wanted });
  await until(() => readFileSync(join(directory, 'out'), 'utf8') === 'ready\n');
  return child;
}

function procStatus(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/:\s*/u, 2)));
}

/** Until the test ends. */
function adjustOurScore(score: string, context: TestContext): void {
  const path = '/proc/self/oom_score_adj';
  const before = readFileSync(path, 'utf8');
  try {
    writeFileSync(path, score);
  } catch (error) {
    if (!isErrno(error, 'EACCES')) throw error;
    context.skip('we may not spare ourselves');
  }
  afterwards(() => {
    writeFileSync(path, before);
  });
}

describeAsRoot('a spawned child', () => {
  it('is its final user, without privileges, signals or a way back', async () => {
    const child = await waiting({ credentials: { uid: nobody, gid: nobody, groups: [7, 8] } });
    const none = '0000000000000000';
    expect(procStatus(child.pid)).toMatchObject({
      Uid: '65534\t65534\t65534\t65534',
      Gid: '65534\t65534\t65534\t65534',
      Groups: expect.stringMatching(/^7 8 ?$/u),
      CapInh: none,
      CapPrm: none,
      CapEff: none,
      CapBnd: none,
      CapAmb: none,
      NoNewPrivs: '1',
      SigBlk: none,
      SigIgn: none,
      Umask: '0027',
    });
  });

  it('has no capabilities as root either', async () => {
    const child = await waiting();
    expect(procStatus(child.pid)).toMatchObject({ Uid: '0\t0\t0\t0', CapEff: '0'.repeat(16), CapBnd: '0'.repeat(16) });
  });

  it('leads a session of its own', async () => {
    const child = await waiting();
    const [, parent, group, session] = statOf(child.pid) ?? [];
    expect([parent, group, session].map(Number)).toEqual([process.pid, child.pid, child.pid]);
  });

  it('has the resource limits it was given', async () => {
    const child = await waiting({
      rlimits: [
        { name: 'core', soft: 0, hard: 0 },
        { name: 'nofile', soft: 100, hard: 200 },
        { name: 'memlock', soft: 4096, hard: 8192 },
      ],
    });
    const limits = readFileSync(`/proc/${child.pid}/limits`, 'utf8').replaceAll(/ +/gu, ' ');
    expect(limits).toContain('Max core file size 0 0 bytes');
    expect(limits).toContain('Max open files 100 200 files');
    expect(limits).toContain('Max locked memory 4096 8192 bytes');
  });

  it('takes Infinity for no limit', async (context) => {
    const core = (limits: string) => /Max core file size +\S+ +(\S+)/u.exec(readFileSync(limits, 'utf8'))?.[1];
    if (core('/proc/self/limits') !== 'unlimited') context.skip('our own hard limit is lower already');
    const child = await waiting({ rlimits: [{ name: 'core', soft: Infinity, hard: Infinity }] });
    expect(core(`/proc/${child.pid}/limits`)).toBe('unlimited');
  });

  it.for([
    ['-900', '0', 'is not spared by what spares its parent when memory is short'],
    ['300', '300', 'is no more spared than its parent is'],
  ] as const)('with an OOM score of %s beside it has one of %s: it %s', async ([ours, its], context) => {
    adjustOurScore(ours, context);
    const child = await waiting({ credentials: { uid: nobody, gid: nobody, groups: [] } });
    expect(readFileSync(`/proc/${child.pid}/oom_score_adj`, 'utf8')).toBe(`${its}\n`);
  });

  it('is born in its v2 cgroup', async () => {
    const cgroup = freshCgroup();
    const child = await waiting({ cgroupFd: cgroup.fd });
    expect(readFileSync(`/proc/${child.pid}/cgroup`, 'utf8').split('\n')).toContain(`0::/${cgroup.name}`);
  });

  it.skipIf(!isHybrid)('joins the v1 memory twin on a hybrid host, also as another user', async () => {
    const cgroup = freshCgroup();
    const joinFds = [opened(join(cgroup.twin, 'cgroup.procs'), constants.O_WRONLY)];
    const credentials = { uid: nobody, gid: nobody, groups: [] };
    const child = await waiting({ cgroupFd: cgroup.fd, joinFds, credentials });
    const lines = readFileSync(`/proc/${child.pid}/cgroup`, 'utf8').split('\n');
    expect(lines).toContain(`0::/${cgroup.name}`);
    expect(lines).toContainEqual(expect.stringMatching(`:memory:/${cgroup.name}$`));
  });

  it('has its directory, program and environment, and no other', async () => {
    const cwd = scratch();
    const child = await waiting({ cwd, env: { A: '1', EMPTY: '', 'ODD KEY': 'a=b\nc' } });
    expect(readlinkSync(`/proc/${child.pid}/cwd`)).toBe(cwd);
    expect(readlinkSync(`/proc/${child.pid}/exe`)).toBe(realpathSync('/bin/sh'));
    expect(readFileSync(`/proc/${child.pid}/environ`, 'utf8')).toBe('A=1\0EMPTY=\0ODD KEY=a=b\nc\0');
  });

  it('gets every argument as it is', async () => {
    const odd = ['', ' ', 'a b', '"', "'", '$HOME `x` \\', '*', '-n', 'line\nbreak', 'grün ☃ 🙂', 'x'.repeat(100_000)];
    const out = await outputOf({ file: '/usr/bin/printf', argv: ['other name', '%s\\0', ...odd] });
    expect(out.split('\0')).toEqual([...odd, '']);
  });
});

describeAsRoot("a spawned child's descriptors", () => {
  it('are the given ones only, extras from 3 on', async () => {
    const extraFds = [opened('/etc/passwd'), opened('/etc/group'), opened('/etc/passwd')];
    const child = await waiting({ extraFds });
    const fds = `/proc/${child.pid}/fd`;
    expect(readdirSync(fds).sort()).toEqual(['0', '1', '2', '3', '4', '5']);
    expect(['3', '4', '5'].map((fd) => readlinkSync(join(fds, fd)))).toEqual([
      '/etc/passwd',
      '/etc/group',
      '/etc/passwd',
    ]);
  });

  it('may be permuted among the low numbers of the parent', async () => {
    const directory = scratch();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => join(directory, name)) as [string, string, string];
    const script = `
      const fs = require('node:fs');
      const fds = process.argv.slice(1).map((path) => fs.openSync(path, 'w+'));
      for (const fd of [0, 1, 2]) addon.closeFd(fd);
      for (const path of process.argv.slice(1)) fs.openSync(path, 'r+');
      const cgroupFd = fs.openSync(${JSON.stringify(freshCgroup().path)}, 'r');
      const { pidfd } = addon.spawn({
        file: '/bin/readlink', argv: ['readlink', ...[0, 1, 2, 3, 4, 5].map((fd) => '/proc/self/fd/' + fd)],
        env: {}, cwd: '/', stdin: 1, stdout: 2, stderr: 0, extraFds: [2, 0, 1],
        cgroupFd, joinFds: [], credentials: null, rlimits: [],
      });
      addon.watchPidfd(pidfd, (status) => process.exit(status.code), false);`;
    await inNode(script, a, b, c);
    expect(readFileSync(c, 'utf8').trim().split('\n')).toEqual([b, c, a, c, a, b]);
  });

  it('do not depend on the low numbers being open in the parent', async () => {
    const path = join(scratch(), 'out');
    const script = `
      const fs = require('node:fs');
      const [cgroup, path] = process.argv.slice(1);
      const [cgroupFd, fd] = [fs.openSync(cgroup, 'r'), fs.openSync(path, 'w+')];
      for (const low of [0, 1, 2]) addon.closeFd(low);
      const { pidfd } = addon.spawn({
        file: '/bin/echo', argv: ['echo', 'done'], env: {}, cwd: '/', stdin: fd, stdout: fd, stderr: fd, extraFds: [],
        cgroupFd, joinFds: [], credentials: null, rlimits: [],
      });
      addon.watchPidfd(pidfd, (status) => process.exit(status.code), false);`;
    await inNode(script, freshCgroup().path, path);
    expect(readFileSync(path, 'utf8')).toBe('done\n');
  });

  it('may be one and the same', async () => {
    const directory = scratch();
    const fd = opened(join(directory, 'all'), constants.O_CREAT | constants.O_RDWR | constants.O_APPEND);
    const script = 'echo out; echo err >&2; echo in >&0; echo extra >&3';
    const child = start({ argv: ['/bin/sh', '-c', script], stdin: fd, stdout: fd, stderr: fd, extraFds: [fd] });
    expect(await exit(child.pidfd)).toEqual({ code: 0, signal: null });
    expect(readFileSync(join(directory, 'all'), 'utf8')).toBe('out\nerr\nin\nextra\n');
  });

  it('stay open here, close-on-exec or not', async () => {
    const fd = opened('/etc/passwd');
    await exit(start({ argv: ['/bin/true'], stdin: fd, extraFds: [fd] }).pidfd);
    expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe('/etc/passwd');
  });
});
