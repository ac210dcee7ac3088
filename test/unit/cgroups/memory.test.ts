import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import {
  type MemoryCharge,
  memoryReading,
  residueFloorBytes,
  twinMemory,
  unifiedMemory,
} from '../../../cgroups/memory.ts';
import { known } from '../../../lib/reading.ts';

const MiB = 2 ** 20;

describe('the residue of an empty cgroup', () => {
  test.each([
    [1, 1.25 * MiB],
    [2, 1.5 * MiB],
    [64, 17 * MiB],
  ])('on %d processors is at most %d bytes', (cpus, bytes) => {
    expect(residueFloorBytes(cpus)).toBe(bytes);
  });

  test('counts the processors of this host', () => {
    expect(residueFloorBytes()).toBe(residueFloorBytes(availableParallelism()));
  });
});

describe('a reading of memory', () => {
  const charge: MemoryCharge = {
    heldBytes: 1,
    reclaimableBytes: 2,
    anonBytes: 3,
    sharedBytes: 4,
    hugetlbBytes: 5,
    hugetlbBySize: {},
    swapBytes: 0,
    kernelBytes: 0,
    oomKills: 6,
  };

  test('is what the files say', () => {
    expect(memoryReading({ read: () => charge, reclaim: () => Promise.resolve() })).toEqual(known(charge));
  });

  test('that fails is unknown with its reason, never zero', () => {
    const read = (): MemoryCharge => {
      throw new Error('read /x/memory.stat: EIO');
    };
    expect(memoryReading({ read, reclaim: () => Promise.resolve() })).toEqual({
      known: false,
      reason: 'read /x/memory.stat: EIO',
    });
  });

  test.each([
    ['unified', unifiedMemory('/tmp')],
    ['twin', twinMemory('/tmp', '/tmp')],
  ])('from a place that is no cgroup is unknown: %s', (_kind, files) => {
    expect(memoryReading(files)).toMatchObject({
      known: false,
      reason: expect.stringContaining('not a cgroup file system') as string,
    });
  });

  test.each([
    ['unified', unifiedMemory('/sys/fs/cgroup/no-such-cgroup')],
    ['twin', twinMemory('/sys/fs/cgroup/memory/no-such-cgroup', '/sys/fs/cgroup/no-such-cgroup')],
  ])('from a cgroup that is gone is unknown: %s', (_kind, files) => {
    expect(memoryReading(files)).toMatchObject({ known: false, reason: expect.stringContaining('ENOENT') as string });
  });
});
