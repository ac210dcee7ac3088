/** Files of shared memory where they really are: a tmpfs counts the pages that it has. */
import { lstat, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { SharedFile, Shmem } from '../../../lib/domain/shmem.ts';
import { fillShared, lackingShared } from '../../../lib/host/shared-memory.ts';

const MiB = 2 ** 20;
const name = `domctl-unit-${process.pid}`;
const path = `/dev/shm/${name}`;
const file: SharedFile = { model: 'ivshmem-plain', name, role: null, sizeBytes: MiB, address: null };

afterEach(() => rm(path, { force: true }));

const lacks = (message: string): object => {
  return expect.objectContaining({ code: 'HOST_LACKS', message: expect.stringContaining(message) as string }) as object;
};

describe('a file that guests share', () => {
  test('lacks all of its memory until it is filled, and is made with it', async () => {
    expect(await lackingShared([file, file])).toBe(MiB);
    await fillShared([file, file], null);
    expect(await lackingShared([file])).toBe(0);
    const { size, blocks, mode } = await lstat(path);
    expect({ size, bytes: blocks * 512, mode: mode & 0o111 }).toEqual({ size: MiB, bytes: MiB, mode: 0 });
  });

  test('keeps what is in it, and a size beyond what is shared', async () => {
    await writeFile(path, 'said before');
    await truncate(path, 2 * MiB);
    await fillShared([file], null);
    expect((await readFile(path)).subarray(0, 12).toString()).toBe('said before\0');
    expect((await lstat(path)).size).toBe(2 * MiB);
  });

  test('that is empty is given its size', async () => {
    await writeFile(path, '');
    expect(await lackingShared([file])).toBe(MiB);
    await fillShared([file], null);
    expect((await lstat(path)).size).toBe(MiB);
  });

  test('is refused where it is shorter, or no file', async () => {
    await writeFile(path, 'short');
    await expect(lackingShared([file])).rejects.toEqual(lacks('has 5 bytes, and 1048576 are to be shared'));
    await rm(path);
    await symlink('/etc/hostname', path);
    await expect(lackingShared([file])).rejects.toEqual(lacks('is no file'));
    await expect(fillShared([file], null)).rejects.toEqual(lacks('is no file'));
  });

  test('is refused by name where there is no room for it', async () => {
    const large = { ...file, sizeBytes: 2 ** 50 };
    await expect(fillShared([large], null)).rejects.toEqual(lacks(`${path} (<shmem>) cannot be filled: fallocate:`));
  });

  test.skipIf(process.getuid?.() !== 0)('is the hypervisor’s, which can fill no file of another', async () => {
    const nobody = { uid: 65_534, gid: 65_534 };
    await fillShared([file], nobody);
    expect(await lstat(path)).toMatchObject(nobody);
    await rm(path);
    await writeFile(path, '', { mode: 0o600 });
    await expect(fillShared([file], nobody)).rejects.toEqual(lacks('Permission denied'));
  });
});

test('a server of shared memory must be there, and lacks nothing that could be told', async () => {
  const served = {
    model: 'ivshmem-doorbell',
    name,
    role: null,
    vectors: null,
    ioeventfd: true,
    address: null,
  } as const;
  const theirs: Shmem = { ...served, server: '/dev/null' };
  expect(await lackingShared([theirs])).toBe(0);
  const absent = { ...served, server: '/run/no-such-server' };
  await expect(lackingShared([absent])).rejects.toEqual(lacks('/run/no-such-server (<shmem><server>) is not there'));
});
