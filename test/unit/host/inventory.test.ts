import { describe, expect, test } from 'vitest';
import { parseCpuList, readHugePool, readOnlineCpus } from '../../../lib/host/inventory.ts';

describe('a list of CPUs', () => {
  test.each([
    ['0\n', [0]],
    ['0-3\n', [0, 1, 2, 3]],
    ['0-1,4,6-7\n', [0, 1, 4, 6, 7]],
    ['\n', []],
  ])('%j is %j', (text, cpus) => {
    expect(parseCpuList(text)).toEqual(cpus);
  });

  test('of this host has CPU 0 or the one that runs this', () => {
    expect(readOnlineCpus().length).toBeGreaterThan(0);
  });
});

describe('a pool of huge pages', () => {
  test('of a size that no processor has is none', () => {
    expect(readHugePool(12_288)).toBeNull();
  });

  test("of the host's default size tells its size", () => {
    const pool = readHugePool(null);
    if (pool) expect(readHugePool(pool.pageBytes)).toEqual(pool);
  });
});
