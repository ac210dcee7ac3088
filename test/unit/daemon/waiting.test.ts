import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { withDeadline } from '../../../lib/daemon/waiting.ts';

const never = new AbortController().signal;

/** Ends only when it is told to. */
async function untilAborted(signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve(String(signal.reason));
    });
  });
}

describe('a wait with a deadline', () => {
  test('is told when the time is up', async () => {
    expect(await withDeadline(20, never, untilAborted)).toBe('Error: the deadline passed');
  });

  test('is told when its caller is gone, with or without a deadline, even if that was before it began', async () => {
    for (const ms of [null, undefined, 60_000]) {
      const caller = new AbortController();
      const wait = withDeadline(ms, caller.signal, untilAborted);
      caller.abort('gone');
      expect(await wait).toBe('gone');
      expect(await withDeadline(ms, caller.signal, async ({ aborted }) => Promise.resolve(aborted))).toBe(true);
    }
  });

  test('hands its answer and its failure on', async () => {
    expect(await withDeadline(60_000, never, async () => Promise.resolve(7))).toBe(7);
    await expect(withDeadline(60_000, never, async () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  /** AbortSignal.timeout is forgotten by its timer when nothing else holds it. */
  test('is told although garbage is collected meanwhile', async () => {
    const wait = withDeadline(100, never, untilAborted);
    const garbage: unknown[] = [];
    for (let round = 0; round < 20; round += 1) {
      garbage.push(new Array(200_000).fill(round));
      garbage.splice(0, garbage.length - 2);
      await sleep(1);
    }
    expect(await wait).toBe('Error: the deadline passed');
  });
});
