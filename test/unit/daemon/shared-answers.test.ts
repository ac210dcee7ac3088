/** Who asks together is answered together, and nobody by what was true before he asked. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { SharedAnswers } from '../../../lib/daemon/shared-answers.ts';

test('a crowd that asks in one turn is answered by one reading, and others by others', async () => {
  const shared = new SharedAnswers();
  let readings = 0;
  const read = (): number => ++readings;
  const crowd = Array.from({ length: 100 }, async () => shared.ask('a', read));
  const other = shared.ask('b', () => 'b');
  expect(new Set(await Promise.all(crowd))).toEqual(new Set([1]));
  expect(await other).toBe('b');
  expect(await shared.ask('a', read)).toBe(2);
});

test('whoever asks after a reading was begun gets another', async () => {
  const shared = new SharedAnswers();
  let truth = 'before';
  let finish = (): void => undefined;
  const slow = new Promise<void>((resolve) => (finish = resolve));
  const first = shared.ask('a', async () => {
    const read = truth;
    await slow;
    return read;
  });
  await nextTurn();
  await nextTurn();
  truth = 'after';
  const second = shared.ask('a', () => truth);
  expect(await second).toBe('after');
  finish();
  expect(await first).toBe('before');
});

test('a failure is told to all who asked together, and is not remembered', async () => {
  const shared = new SharedAnswers();
  const fail = async (): Promise<never> => Promise.reject(new Error('unreadable'));
  const crowd = [shared.ask('a', fail), shared.ask('a', fail)];
  for (const each of crowd) await expect(each).rejects.toThrow('unreadable');
  expect(await shared.ask('a', () => 1)).toBe(1);
});
