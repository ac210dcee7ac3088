import { expect, test } from 'vitest';
import { hostileText } from './hostile.ts';
import { judge } from './judge.ts';

const count = 5000;

test('5,000 hostile texts are read or refused by place, printed the same again, and none crashes or hangs', () => {
  let read = 0;
  for (let seed = 0; seed < count; seed += 1) {
    try {
      read += judge(hostileText(seed)) ? 1 : 0;
    } catch (error) {
      throw new Error(`seed ${seed}: ${hostileText(seed)}`, { cause: error });
    }
  }
  // Neither all bad nor all good: then they would show nothing.
  expect(read).toBeGreaterThan(count / 50);
  expect(read).toBeLessThan(count - count / 50);
});

test('a seed gives the same text every time, another one another', () => {
  expect(hostileText(7)).toBe(hostileText(7));
  const texts = new Set(Array.from({ length: 100 }, (_none, seed) => hostileText(seed)));
  expect(texts.size).toBeGreaterThan(95);
});
