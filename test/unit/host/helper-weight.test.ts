import { expect, test } from 'vitest';
import { niceForShares } from '../../../lib/host/helper-weight.ts';

test.each([
  [1, 0],
  [2, -3],
  [4, -6],
  [64, -19],
  [1024, -20],
])('a session with the shares of %i threads has nice %i', (shares, nice) => {
  expect(niceForShares(shares)).toBe(nice);
});
