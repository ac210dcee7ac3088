import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import { isErrno } from '../../../lib/errors.ts';
import {
  allProcesses,
  cgroupOf,
  findRamFiles,
  findTeardownHelper,
  isEnding,
  isSameProcess,
  mappedFiles,
  openFiles,
  parseMappedFiles,
  parseStat,
  parseThreadTicks,
  readProcess,
  readThreadTime,
  unlessGone,
} from '../../../lib/host/processes.ts';

/** Fields 3 to 21 of proc(5), so that the next one is the start time. */
const upToStart = 'S 1 42 42 0 -1 4194560 100 0 0 0 5 3 0 0 20 0 4 0';
/** Waits until `stream` has said what matches. */
async function said(stream: Readable, pattern: RegExp): Promise<RegExpExecArray> {
  let text = '';
  for (;;) {
    text += String((await once(stream, 'data'))[0]);
    const found = pattern.exec(text);
    if (found) return found;
  }
}

/** Above any pid_max. */
const nobody = 2 ** 22 + 1;

describe('/proc/PID/maps', () => {
  test('tells the ranges of each file, as map_files writes them, and of memory without a file nothing', () => {
    const maps = `00400000-00401000 r--p 00000000 fd:00 42                                 /usr/bin/x
00401000-0040f000 rw-p 00001000 fd:00 42                                 /usr/bin/x
10000000-10001000 rw-p 00000000 00:00 0                                  [heap]
7f0000000000-7f0000001000 rw-s 00000000 00:01 7                          /memfd:a b (deleted)
7f0000001000-7f0000002000 rw-p 00000000 00:00 0
`;
    expect(parseMappedFiles(maps)).toEqual([['400000-401000', '401000-40f000'], ['7f0000000000-7f0000001000']]);
  });

  test('keeps apart what has one number on one device: files of two subvolumes', () => {
    const maps = '01000-02000 r--p 0 00:2a 257 /a/x\n02000-03000 r--p 0 00:2a 257 /b/x\n';
    expect(parseMappedFiles(maps)).toEqual([['1000-2000'], ['2000-3000']]);
  });
});

describe('/proc/PID/stat', () => {
  test.each([
    ['qemu-system-x86', 'qemu-system-x86'],
    ['cleanup/42', 'cleanup/42'],
    ['a b c', 'a b c'],
    [') 9 (', ') 9 ('],
    ['x) S 1 2 3', 'x) S 1 2 3'],
    ['((', '(('],
    ['', ''],
  ])('of a process called %j is counted from the last parenthesis', (name, expected) => {
    expect(parseStat(`42 (${name}) ${upToStart} 123456 4096 0\n`)).toEqual({
      identity: { pid: 42, startTicks: 123_456 },
      name: expected,
      parent: 1,
      exiting: false,
    });
  });

  test('tells of a process that is on its way out: PF_EXITING, 0x4 of the flags', () => {
    expect(parseStat(`42 (x) ${upToStart.replace('4194560', '4194564')} 123456`).exiting).toBe(true);
    expect(parseStat(`42 (x) ${upToStart.replace('4194560', '4194571')} 123456`).exiting).toBe(false);
  });

  test.each(['', '42', '42 (x', '42 (x) S 1 2 3', '42 x) S', `42 (x) ${upToStart} late`])(
    'cut short is an error, not a process: %j',
    (text) => {
      expect(() => parseStat(text)).toThrow(/^cannot understand/);
    },
  );
});

describe('a process', () => {
  test('is known by pid and start time', () => {
    const own = readProcess(process.pid);
    expect(own?.identity.pid).toBe(process.pid);
    if (!own) throw new Error('we are not there');
    expect(isSameProcess(own.identity)).toBe(true);
    expect(isSameProcess({ ...own.identity, startTicks: own.identity.startTicks - 1 })).toBe(false);
  });

  test('that is not there has no facts at all', () => {
    expect(readProcess(nobody)).toBeNull();
    expect(isSameProcess({ pid: nobody, startTicks: 0 })).toBe(false);
    expect(cgroupOf(nobody)).toBeNull();
    expect(openFiles(nobody)).toEqual([]);
    expect(mappedFiles(nobody)).toEqual([]);
    expect(findRamFiles(nobody)).toEqual([]);
    expect(findTeardownHelper({ pid: nobody, startTicks: 0 }, 'qemu')).toBeNull();
  });

  test('has the files mapped that map_files leads to, each once', () => {
    const mapped = mappedFiles(process.pid).map((paths) => paths.map((path) => statSync(path).ino));
    expect(mapped).toContainEqual(expect.arrayContaining([statSync(process.execPath).ino]));
    for (const inodes of mapped) expect(new Set(inodes).size).toBe(1);
  });

  test('has its cgroup, its descriptors and its place among all processes', () => {
    expect(cgroupOf(process.pid)).toBe(/^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1]);
    expect(openFiles(process.pid).map(({ path }) => path)).toContain(`/proc/${process.pid}/fd/0`);
    expect(allProcesses()).toContain(process.pid);
  });

  test('that keeps memory in nameless files shows their names and identities', async () => {
    const script =
      'import os, sys\na = os.memfd_create("pc.ram")\nb = os.memfd_create("odd (deleted) name")\nprint(os.fstat(a).st_ino, os.fstat(b).st_ino, flush=True)\nsys.stdin.read()';
    const child = spawn('python3', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    try {
      const [first, second] = (await said(child.stdout, /^(\d+) (\d+)\n/)).slice(1).map(Number);
      expect(findRamFiles(child.pid ?? 0)).toEqual([
        { name: 'pc.ram', device: expect.any(Number) as number, inode: first },
        { name: 'odd (deleted) name', device: expect.any(Number) as number, inode: second },
      ]);
      expect(findTeardownHelper({ pid: process.pid, startTicks: 0 }, 'qemu')).toBeNull();
    } finally {
      child.stdin.end();
      await ended;
    }
  });

  test('that only its first thread has left is not ending, whatever its stat says of that one', async () => {
    // SYS_exit, of a thread alone: 60 on x86, 93 where numbers are the generic ones.
    const script = `import ctypes, os, platform, sys, threading
def stay():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=stay).start()
print("ready", flush=True)
ctypes.CDLL(None).syscall(60 if platform.machine() == "x86_64" else 93, 0)`;
    const child = spawn('python3', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    try {
      await said(child.stdout, /ready\n/);
      await vi.waitFor(() => expect(readProcess(child.pid ?? 0)?.exiting).toBe(true));
      expect(isEnding(child.pid ?? 0)).toBe(false);
    } finally {
      child.stdin.end();
      await ended;
    }
    expect(isEnding(child.pid ?? 0)).toBe(true);
    expect(isEnding(process.pid)).toBe(false);
  });

  test('that calls itself cleanup/PID is the teardown helper of its parent', async () => {
    const helper =
      'import sys\nopen("/proc/self/comm", "w").write("cleanup/1")\nprint("ready", flush=True)\nsys.stdin.read()';
    const parent = `import subprocess, sys\nchild = subprocess.Popen([sys.executable, "-c", ${JSON.stringify(helper)}])\nchild.wait()`;
    const child = spawn('python3', ['-c', parent], { stdio: ['pipe', 'pipe', 'inherit'] });
    const ended = once(child, 'exit');
    try {
      await said(child.stdout, /ready\n/);
      const found = findTeardownHelper({ pid: child.pid ?? 0, startTicks: 0 }, 'qemu');
      expect(found && isSameProcess(found)).toBe(true);
      expect(found && readProcess(found.pid)?.name).toBe('cleanup/1');
    } finally {
      child.stdin.end();
      await ended;
    }
  });
});

describe('a fact that cannot be read', () => {
  test.each(['ENOENT', 'ESRCH', 'EACCES', 'EPERM'])('because of %s is null', (code) => {
    expect(
      unlessGone(() => {
        throw Object.assign(new Error(code), { code });
      }),
    ).toBeNull();
  });

  test('for any other reason is an error', () => {
    let caught: unknown = null;
    try {
      unlessGone(() => {
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      });
    } catch (error) {
      caught = error;
    }
    expect(isErrno(caught, 'EIO')).toBe(true);
  });
});

describe('the time of a thread', () => {
  test('is utime and stime, whatever its name holds', () => {
    expect(parseThreadTicks(`7 (CPU 0) KVM) ${upToStart} 900`)).toBe(8);
  });

  test('is that of the kernel for our own, and null for one that is not there', () => {
    const before = readThreadTime(process.pid, process.pid);
    expect(before!.usedUs).toBeGreaterThan(0);
    expect(readThreadTime(process.pid, 1)).toBeNull();
  });
});
