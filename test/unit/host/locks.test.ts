/** Locks as the kernel lists them, and whether those that were seen are all there are. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { accountFor, allLocks, type FileLock, locksOf, parseLocks } from '../../../lib/host/locks.ts';
import { openFiles } from '../../../lib/host/processes.ts';

const listed = `1: OFDLCK ADVISORY  READ -1 fe:00:2244760 100 101
2: POSIX  ADVISORY  WRITE 31211 fe:00:1507463 0 EOF
2: -> POSIX  ADVISORY  WRITE 31212 fe:00:1507463 0 EOF
3: FLOCK  ADVISORY  WRITE 1 00:1a:7 0 EOF
4: LEASE  ADVISORY  ACTIVE 12 fe:00:8 0 EOF
lock:	1: OFDLCK ADVISORY  WRITE -1 fe:00:9 201 201
`;

describe('a list of locks', () => {
  test('is read as far as F_OFD_GETLK sees them: held, by open files and processes', () => {
    expect(parseLocks(listed)).toEqual([
      { file: 'fe:00:2244760', sort: 'OFDLCK READ -1', start: 100, end: 101 },
      { file: 'fe:00:1507463', sort: 'POSIX WRITE 31211', start: 0, end: Number.POSITIVE_INFINITY },
      { file: 'fe:00:9', sort: 'OFDLCK WRITE -1', start: 201, end: 201 },
    ]);
  });

  test('of this kernel has what a real process holds, and its descriptor tells the same', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'domctl-locks-'));
    const path = join(directory, 'image');
    writeFileSync(path, '');
    const program = new URL('../../fixtures/native/hold_lock.py', import.meta.url).pathname;
    const child = spawn('python3', [program, path, '100', '201'], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const own = openFiles(child.pid ?? 0).flatMap(({ path }) => locksOf(path));
    const { ino } = statSync(path);
    const bySort = (locks: readonly FileLock[]): FileLock[] => locks.toSorted((a, b) => a.start - b.start);
    expect(bySort(own)).toMatchObject([
      { sort: 'OFDLCK WRITE -1', start: 100, end: 100 },
      { sort: 'OFDLCK WRITE -1', start: 201, end: 201 },
    ]);
    expect(bySort(allLocks().filter(({ file }) => file.endsWith(`:${ino}`)))).toEqual(bySort(own));
    child.stdin.end();
    await once(child, 'exit');
    rmSync(directory, { recursive: true });
  });
});

describe('locks that were seen', () => {
  const lock = (start: number, end = start, sort = 'OFDLCK READ -1', file = 'fe:00:9'): FileLock => ({
    ...{ file, sort, start, end },
  });
  const theirs = [lock(100, 101), lock(201)];
  const bytes = [100, 101, 201];

  test('account for an image that nobody else has locked, whatever else is locked', () => {
    expect(
      accountFor(theirs, { bytes, all: [...theirs, lock(0, 9), lock(100, 100, 'OFDLCK READ -1', 'fe:00:10')] }),
    ).toBe(true);
  });

  test.each([
    ['there is none', [], theirs],
    ['another one is there', theirs, [...theirs, lock(100, 100)]],
    ['another one is there that looks the same', theirs, [...theirs, lock(201)]],
    ['another process has one', theirs, [...theirs, lock(100, 101, 'POSIX READ 7')]],
    ['one of them is gone, and with it what was seen', theirs, [lock(201)]],
    ['they are of several files', [...theirs, lock(100, 101, 'OFDLCK READ -1', 'fe:00:10')], theirs],
  ])('do not when %s', (_, seen, all) => {
    expect(accountFor(seen, { bytes, all })).toBe(false);
  });

  test('may be seen through several descriptors', () => {
    expect(accountFor([...theirs, ...theirs], { bytes, all: theirs })).toBe(true);
  });
});
