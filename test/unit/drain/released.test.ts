/** What two readings prove about memory. */
import { describe, expect, test } from 'vitest';
import type { MemoryCharge } from '../../../cgroups/memory.ts';
import { judgeMemory } from '../../../lib/drain/released.ts';
import { known, unknown } from '../../../lib/reading.ts';

const floor = 1000;
const empty: MemoryCharge = {
  heldBytes: 0,
  reclaimableBytes: 0,
  anonBytes: 0,
  sharedBytes: 0,
  hugetlbBytes: 0,
  hugetlbBySize: {},
  swapBytes: 0,
  kernelBytes: 0,
  oomKills: 0,
};

describe('memory', () => {
  test('is gone with no process, nothing above the residue and no huge page', () => {
    expect(judgeMemory(known(false), known(empty), floor)).toEqual({ kind: 'gone', oomKilled: false });
    expect(judgeMemory(known(false), known({ ...empty, heldBytes: floor }), floor)).toEqual({
      kind: 'gone',
      oomKilled: false,
    });
  });

  test('that the page cache holds is gone: the kernel can drop it', () => {
    expect(judgeMemory(known(false), known({ ...empty, reclaimableBytes: 10 ** 12 }), floor)).toMatchObject({
      kind: 'gone',
    });
  });

  test.each([
    ['a process is left', true, empty, 0],
    ['one byte is above the residue', false, { ...empty, heldBytes: floor + 1 }, floor + 1],
    ['a huge page is left', false, { ...empty, heldBytes: 1, hugetlbBytes: 1 }, 1],
  ] as const)('is held while %s', (_why, populated, charge, bytes) => {
    expect(judgeMemory(known(populated), known(charge), floor)).toEqual({ kind: 'held', bytes, populated });
  });

  test('is unreadable when either reading is, however little the other says', () => {
    expect(judgeMemory(unknown('events: EIO'), known(empty), floor)).toEqual({
      kind: 'unreadable',
      reason: 'events: EIO',
    });
    expect(judgeMemory(known(false), unknown('stat: EIO'), floor)).toEqual({ kind: 'unreadable', reason: 'stat: EIO' });
    expect(judgeMemory(known(true), unknown('stat: EIO'), floor)).toEqual({ kind: 'unreadable', reason: 'stat: EIO' });
  });

  test('that is gone tells of the OOM killer', () => {
    expect(judgeMemory(known(false), known({ ...empty, oomKills: 1 }), floor)).toEqual({
      kind: 'gone',
      oomKilled: true,
    });
  });
});
