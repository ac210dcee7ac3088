import { describe, expect, test } from 'vitest';
import { stateNumbers } from '../../../lib/domain/numbers.ts';

describe("libvirt's numbers", () => {
  test.each([
    ['running', 'booted', 1, 1],
    ['running', 'unpaused', 1, 5],
    ['paused', 'I/O error', 3, 5],
    ['in shutdown', 'guest request', 4, 1],
    ['draining', 'destroyed', 4, 0],
    ['shut off', 'crashed, by the OOM killer', 5, 3],
    ['shut off', 'unknown, the daemon was away', 5, 0],
    ['crashed', 'panicked', 6, 1],
    ['unknown', 'EIO', 0, 0],
    ['a word of later', 'any', 0, 0],
  ])('of %s (%s) are %d and %d', (word, reason, code, reasonCode) => {
    expect(stateNumbers(word, reason)).toEqual({ code, reasonCode });
  });
});
