/** The choke point: nothing outside a cgroup file system is read, written, made or removed. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listCgroup, makeCgroup, readCgroupFile, removeCgroup, writeCgroupFile } from '../../../cgroups/files.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domctl-unit-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const notOurs = expect.objectContaining({
  name: 'KernelError',
  syscall: 'statfs',
  code: expect.stringMatching(/^not a cgroup file system \(f_type 0x[0-9a-f]+\)$/) as string,
}) as Error;

describe('an ordinary directory in place of a cgroup', () => {
  test('is not read', () => {
    writeFileSync(join(directory, 'memory.current'), '0\n');
    expect(() => readCgroupFile(join(directory, 'memory.current'))).toThrow(notOurs);
    expect(() => listCgroup(directory)).toThrow(notOurs);
  });

  test('swallows no limit', async () => {
    const file = join(directory, 'memory.max');
    writeFileSync(file, 'max\n');
    await expect(writeCgroupFile(file, '1')).rejects.toThrow(notOurs);
    expect(readFileSync(file, 'utf8')).toBe('max\n');
  });

  test('gets no child', async () => {
    await expect(makeCgroup(join(directory, 'vm-x'))).rejects.toThrow(notOurs);
    expect(existsSync(join(directory, 'vm-x'))).toBe(false);
  });

  test('is not removed', async () => {
    const child = join(directory, 'vm-x');
    mkdirSync(child);
    await expect.soft(removeCgroup(child)).rejects.toThrow(notOurs);
    expect(existsSync(child)).toBe(true);
  });
});

describe('a directory that is not there', () => {
  const gone = expect.objectContaining({ name: 'KernelError', code: 'ENOENT', errno: 2 }) as Error;

  test('fails as such, with the path', async () => {
    const missing = join(directory, 'gone');
    expect(() => readCgroupFile(join(missing, 'memory.current'))).toThrow(gone);
    await expect(makeCgroup(join(missing, 'vm-x'))).rejects.toThrow(
      expect.objectContaining({ path: missing }) as Error,
    );
  });

  test('counts as removed', async () => {
    await expect(removeCgroup(join(directory, 'gone'))).resolves.toBeUndefined();
  });
});
