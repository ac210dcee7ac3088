import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  lastWords,
  logFile,
  makeLogRoot,
  makeRuntimeDirectory,
  makeRuntimeRoot,
  makeStateRoot,
  qmpSocket,
  removeRuntimeDirectory,
  sweepRuntimeDirectories,
  trimLog,
} from '../../../lib/daemon/runtime-files.ts';
import type { Places } from '../../../lib/places.ts';

let directory = '';
let log = '';
let places: Places;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domctl-run-'));
  log = join(directory, 'web1.log');
  places = {
    configDir: directory,
    stateDir: directory,
    logDir: directory,
    runtimeDir: join(directory, 'run'),
    cgroupRoot: '/domctl',
    promisesDir: join(directory, 'promises'),
  };
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const longest = 2 * 1024 * 1024;
const kept = 256 * 1024;

describe('a log', () => {
  test('of the allowed length is left as it is', async () => {
    writeFileSync(log, Buffer.alloc(longest, 'x'));
    await trimLog(log);
    expect(statSync(log).size).toBe(longest);
  });

  test('that is longer keeps its tail, byte for byte', async () => {
    const text = Array.from({ length: 300_000 }, (_, index) => `line ${index}\n`).join('');
    writeFileSync(log, text);
    await trimLog(log);
    expect(readFileSync(log, 'utf8')).toBe(text.slice(-kept));
  });

  test('is trimmed under a writer that appends, who goes on after the tail', async () => {
    const fd = openSync(log, 'a');
    try {
      writeSync(fd, Buffer.alloc(longest + 1, 'x'));
      await trimLog(log);
      writeSync(fd, 'next');
      expect(statSync(log).size).toBe(kept + 4);
      expect(readFileSync(log, 'utf8').slice(-6)).toBe('xxnext');
    } finally {
      closeSync(fd);
    }
  });

  test('that is not there needs no trimming', async () => {
    await trimLog(log);
    expect(existsSync(log)).toBe(false);
  });

  test('lies under a name that cannot leave its directory', () => {
    expect(logFile(places, '../../etc/passwd')).toBe(join(directory, String.raw`\x2e.\x2f..\x2fetc\x2fpasswd.log`));
  });
});

describe('the last words', () => {
  test.each([
    ['qemu-system-x86_64: -drive x: no such file\n', '-drive x: no such file'],
    ['2026-01-02T03:04:05.123456Z qemu-system-x86_64: terminating on signal 15\n', 'terminating on signal 15'],
    ['one\ntwo\n\n  \n', 'two'],
    ['no newline', 'no newline'],
  ])('of %j are %j', async (text, words) => {
    writeFileSync(log, text);
    expect(await lastWords(log, 0)).toBe(words);
  });

  test('steer no terminal', async () => {
    writeFileSync(log, 'qemu-system-x86_64: \u001b]0;title\u0007gone\u001b[2J\u202e\n');
    expect(await lastWords(log, 0)).toBe(' ]0;title gone [2J ');
  });

  test('are those of this launch, not of an earlier one', async () => {
    writeFileSync(log, 'old failure\n');
    const { size } = statSync(log);
    expect(await lastWords(log, size)).toBeNull();
    appendFileSync(log, 'new failure\n');
    expect(await lastWords(log, size)).toBe('new failure');
  });

  test('are those of the launch that was begun last, whoever reads them', async () => {
    writeFileSync(log, 'old failure\n2026-01-02T03:04:05.123Z incarnation 7 starting\n');
    expect(await lastWords(log, 0)).toBeNull();
    appendFileSync(log, 'new failure\n');
    expect(await lastWords(log, 0)).toBe('new failure');
  });

  test('are found in a log that was trimmed meanwhile', async () => {
    writeFileSync(log, 'after the trim\n');
    expect(await lastWords(log, longest)).toBe('after the trim');
  });

  test('are read from the end of a long log', async () => {
    writeFileSync(log, `${'x\n'.repeat(100_000)}the end\n`);
    expect(await lastWords(log, 0)).toBe('the end');
  });

  test('are none where there is no log', async () => {
    expect(await lastWords(log, 0)).toBeNull();
  });
});

describe('the runtime directory of an incarnation', () => {
  test("is its owner's alone, and goes with all that is in it", async () => {
    await makeRuntimeRoot(places);
    await makeRuntimeDirectory(places, 7, null);
    const own = join(places.runtimeDir, 'incarnations/7');
    writeFileSync(join(own, 'qmp.sock'), '');
    const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
    expect([mode(places.runtimeDir), mode(own)]).toEqual(['711', '700']);
    await removeRuntimeDirectory(places, 7);
    await removeRuntimeDirectory(places, 7);
    expect(existsSync(own)).toBe(false);
  });

  test('goes with paths longer than a path can be, and names that are no text', async () => {
    await makeRuntimeDirectory(places, 7, null);
    const own = join(places.runtimeDir, 'incarnations/7');
    const deeper = 'for i in $(seq 40); do mkdir "$0" && cd -P "$0" || exit 1; done; : >file';
    execFileSync('sh', ['-c', deeper, 'd'.repeat(200)], { cwd: own });
    writeFileSync(Buffer.concat([Buffer.from(`${own}/`), Buffer.of(0xff, 0xfe)]), '');
    await removeRuntimeDirectory(places, 7);
    expect(existsSync(own)).toBe(false);
  });

  test('is swept when nobody knows it; one that cannot be removed is told, and keeps none of the others', async () => {
    const all = join(places.runtimeDir, 'incarnations');
    for (const id of [7, 8, 9]) await makeRuntimeDirectory(places, id, null);
    mkdirSync(join(all, 'no number'));
    const failures: unknown[] = [];
    const tell = (error: unknown): void => void failures.push(error);
    await sweepRuntimeDirectories(places, (id) => id === 8, tell);
    expect([7, 8, 9].map((id) => existsSync(join(all, String(id))))).toEqual([false, true, false]);
    expect(failures).toEqual([]);
  });

  test('is never one that was there before', async () => {
    await makeRuntimeDirectory(places, 7, null);
    await expect(makeRuntimeDirectory(places, 7, null)).rejects.toThrow(/EEXIST/);
  });

  test('has a socket path of its own for each launch, short enough for a socket', () => {
    expect(qmpSocket(places, 7)).toBe(join(places.runtimeDir, 'incarnations/7/qmp.sock'));
    expect(() => qmpSocket({ ...places, runtimeDir: `/${'x'.repeat(90)}` }, 7)).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
  });
});

const isRoot = process.getuid?.() === 0;

describe('a directory of ours', () => {
  const roots = [
    ['stateDir', makeStateRoot],
    ['runtimeDir', makeRuntimeRoot],
    ['logDir', makeLogRoot],
  ] as const;

  test.each(roots)('%s is made, and is ours', async (key, make) => {
    const path = join(directory, 'fresh');
    await make({ ...places, [key]: path });
    expect(statSync(path)).toMatchObject({ uid: process.getuid?.() });
    expect(statSync(path).mode & 0o022).toBe(0);
    chmodSync(path, 0o777);
    await make({ ...places, [key]: path });
    expect(statSync(path).mode & 0o022).toBe(0);
  });

  test.skipIf(!isRoot).each(roots)(
    `%s that somebody else made is refused${isRoot ? '' : ' (skipped: needs root)'}`,
    async (key, make) => {
      const path = join(directory, 'theirs');
      mkdirSync(path);
      chownSync(path, 65_534, 65_534);
      await expect(make({ ...places, [key]: path })).rejects.toMatchObject({
        code: 'HOST_LACKS',
        message: `${path} belongs to uid 65534, not to who runs domctld (uid 0)`,
        hint: expect.stringContaining(`chown 0 ${path}`),
      });
      // Nor is one of ours to which somebody else's link leads.
      const link = join(directory, 'link');
      mkdirSync(join(directory, 'ours'));
      symlinkSync('ours', link);
      lchownSync(link, 65_534, 65_534);
      await expect(make({ ...places, [key]: link })).rejects.toMatchObject({ code: 'HOST_LACKS' });
    },
  );
});
