/** Open file description locks, seen from the process that does not hold them. */
import { type ChildProcess, spawn as spawnNode } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { probeLockedBytes, qemuLockBytes, tryLockFile } from '../../native/index.ts';
import { afterwards, caught, closedFd, opened, scratch } from './support.ts';

const fixture = new URL('../fixtures/native/hold_lock.py', import.meta.url).pathname;
let image = '';

beforeEach(() => {
  image = join(scratch(), 'image');
  writeFileSync(image, '');
});

/** A process of its own that tries to lock `bytes` (none: the whole file), and says how that went. */
async function locker(...bytes: number[]): Promise<{ child: ChildProcess; said: string }> {
  const child = spawnNode('python3', [fixture, image, ...bytes.map(String)], { stdio: ['pipe', 'pipe', 'inherit'] });
  afterwards(() => child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  return { child, said: String(line).trim() };
}

async function ended(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('probeLockedBytes', () => {
  it("knows QEMU's bytes", () => {
    expect(qemuLockBytes).toEqual([100, 101, 102, 103, 200, 201, 202, 203]);
  });

  it('finds exactly the bytes another process holds, in the order asked, until it ends', async () => {
    const fd = opened(image);
    expect(probeLockedBytes(fd, qemuLockBytes)).toEqual([]);
    const { child, said } = await locker(100, 101, 201, 5_000_000_000);
    expect(said).toBe('held');
    expect(probeLockedBytes(fd, qemuLockBytes)).toEqual([100, 101, 201]);
    expect(probeLockedBytes(fd, [201, 99, 5_000_000_000, 102, 100])).toEqual([201, 5_000_000_000, 100]);
    expect(probeLockedBytes(fd, [])).toEqual([]);
    await ended(child);
    expect(probeLockedBytes(fd, qemuLockBytes)).toEqual([]);
  });

  it('sets no lock itself', async () => {
    const fd = opened(image, constants.O_RDWR);
    probeLockedBytes(fd, qemuLockBytes);
    expect((await locker()).said).toBe('held');
  });

  it('fails on a closed descriptor', () => {
    expect(caught(() => probeLockedBytes(closedFd, [100]))).toMatchObject({
      name: 'KernelError',
      code: 'EBADF',
      syscall: 'fcntl F_OFD_GETLK',
      path: `fd ${closedFd}`,
    });
  });
});

describe('tryLockFile', () => {
  it('is true for one open file description at a time', () => {
    const first = openSync(image, 'r+');
    const second = opened(image, constants.O_RDWR);
    expect(tryLockFile(first)).toBe(true);
    expect(tryLockFile(first)).toBe(true);
    expect(tryLockFile(second)).toBe(false);
    closeSync(first);
    expect(tryLockFile(second)).toBe(true);
  });

  it('locks out another process, whatever byte it wants', async () => {
    expect(tryLockFile(opened(image, constants.O_RDWR))).toBe(true);
    expect((await locker()).said).toBe('refused');
    expect((await locker(7_000_000_000)).said).toBe('refused');
  });

  it('is locked out by another process until that dies', async () => {
    const fd = opened(image, constants.O_RDWR);
    const { child } = await locker();
    expect(tryLockFile(fd)).toBe(false);
    await ended(child);
    expect(tryLockFile(fd)).toBe(true);
  });

  it('fails on a descriptor that is closed or not writable', () => {
    expect(caught(() => tryLockFile(closedFd))).toMatchObject({ code: 'EBADF', syscall: 'fcntl F_OFD_SETLK' });
    expect(caught(() => tryLockFile(opened(image)))).toMatchObject({ code: 'EBADF', path: image });
  });
});
