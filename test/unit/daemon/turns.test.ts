/** A crowd of one program's waits for itself, and nobody for it. */
import { EventEmitter } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Turns } from '../../../lib/daemon/turns.ts';

/** An answer to be given: `close` as the server says it. */
class Answer extends EventEmitter {
  closed = false;

  close(): void {
    this.closed = true;
    this.emit('close');
  }
}

/** Asks for turns, and tells which were given. */
function ask(turns: Turns, pid: number, count: number): { readonly answers: Answer[]; readonly given: number[] } {
  const answers = Array.from({ length: count }, () => new Answer());
  const given: number[] = [];
  for (const [index, answer] of answers.entries()) void turns.take(pid, answer).then(() => given.push(index));
  return { answers, given };
}

test('so many of a program at once, the others in their order as answers are given', async () => {
  const turns = new Turns(2);
  const { answers, given } = ask(turns, 1, 5);
  await nextTurn();
  expect(given).toEqual([0, 1]);
  answers[1]?.close();
  await nextTurn();
  expect(given).toEqual([0, 1, 2]);
  for (const answer of answers.slice(0, 3)) answer.close();
  await nextTurn();
  expect(given).toEqual([0, 1, 2, 3, 4]);
});

test('another program waits for none of them', async () => {
  const turns = new Turns(2);
  ask(turns, 1, 200);
  const { given } = ask(turns, 2, 1);
  await nextTurn();
  expect(given).toEqual([0]);
});

test('who hangs up while waiting takes no turn', async () => {
  const turns = new Turns(1);
  const { answers, given } = ask(turns, 1, 3);
  answers[1]?.close();
  answers[0]?.close();
  await nextTurn();
  expect(given).toEqual([0, 1, 2]);
  answers[2]?.close();
  const { given: later } = ask(turns, 1, 1);
  await nextTurn();
  expect(later).toEqual([0]);
});
