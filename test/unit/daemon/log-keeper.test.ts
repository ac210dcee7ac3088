import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LogKeeper } from '../../../lib/daemon/log-keeper.ts';

const MiB = 2 ** 20;
const longest = 2 * MiB;

let directory = '';
let keeper: LogKeeper;
const warn = vi.fn();
beforeEach(() => {
  warn.mockReset();
  directory = mkdtempSync(join(tmpdir(), 'domctl-logs-'));
  keeper = new LogKeeper(join(directory, 'log'), { warn });
});
afterEach(() => {
  keeper.close();
  rmSync(directory, { recursive: true });
});

test('what is too long already is shortened at once, in a directory that it makes', async () => {
  await keeper.keep();
  const log = join(directory, 'log/a.log');
  writeFileSync(log, Buffer.alloc(longest + 1));
  await keeper.keep();
  expect(statSync(log).size).toBeLessThan(longest);
  expect(warn).not.toHaveBeenCalled();
});

test('a log that somebody goes on to fill is shortened again and again, soon after each time', async () => {
  await keeper.keep();
  const log = join(directory, 'log/a.log');
  const writer = openSync(log, 'a');
  try {
    for (let round = 0; round < 3; round += 1) {
      writeSync(writer, Buffer.alloc(longest + 1, 'x'));
      await vi.waitFor(() => expect(statSync(log).size).toBeLessThan(longest), { timeout: 5000, interval: 10 });
    }
  } finally {
    closeSync(writer);
  }
});

test('a file of another name is left as it is, and a directory that cannot be read is told', async () => {
  await keeper.keep();
  const other = join(directory, 'log/a.txt');
  writeFileSync(other, Buffer.alloc(longest + 1));
  await keeper.keep();
  expect(statSync(other).size).toBe(longest + 1);
  const broken = new LogKeeper(join(other, 'log'), { warn });
  await broken.keep();
  broken.close();
  expect(warn).toHaveBeenCalledOnce();
});
