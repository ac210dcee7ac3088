import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { holdBack, niceForShares } from '../../../lib/host/helper-weight.ts';
import { readProcess } from '../../../lib/host/processes.ts';

test.each([
  [1, 0],
  [2, -3],
  [4, -6],
  [64, -19],
  [1024, -20],
])('a session with the shares of %i threads has nice %i', (shares, nice) => {
  expect(niceForShares(shares)).toBe(nice);
});

const hasSessions = existsSync('/proc/self/autogroup') && process.getuid?.() === 0;

test.skipIf(!hasSessions)('a session of more than one share is held back until it is let go on', async () => {
  const child = spawn('/bin/cat', { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  const identity = readProcess(child.pid!)!.identity;
  const file = `/proc/${child.pid}/autogroup`;
  const nice = (): string => readFileSync(file, 'utf8').split(' nice ')[1]!.trim();
  try {
    holdBack(identity)();
    expect(nice()).toBe('0');
    writeFileSync(file, '-3');
    const goOn = holdBack(identity);
    expect(nice()).toBe('10');
    holdBack({ ...identity, startTicks: identity.startTicks + 1 });
    goOn();
    expect(nice()).toBe('-3');
  } finally {
    child.stdin.end();
    await once(child, 'exit');
  }
});
