/** Who has a file open or mapped, among the real processes of this host. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findHolder, mapsDevice } from '../../../lib/drain/holders.ts';
import { cgroupOf } from '../../../lib/host/processes.ts';

let directory = '';
let child: ChildProcess | null = null;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domctl-holders-'));
});
afterEach(async () => {
  if (child && child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  child = null;
  rmSync(directory, { recursive: true });
});

/** A file with a page, and a python that does `code` with it as `f` until its input ends. */
async function held(code: string): Promise<{ device: number; inode: number; pid: number | undefined }> {
  const path = join(directory, 'file');
  writeFileSync(path, 'x'.repeat(4096));
  const script = `import mmap, os, sys\nf = open(sys.argv[1], 'r+b')\n${code}\nprint('ready', flush=True)\nsys.stdin.read()`;
  child = spawn('python3', ['-c', script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (child.stdout) await once(child.stdout, 'data');
  const { dev, ino } = statSync(path);
  return { device: dev, inode: ino, pid: child.pid };
}

describe('a holder', () => {
  test('is named when it has the file open', async () => {
    const { pid, ...file } = await held('');
    expect(await findHolder([file], '/nowhere')).toBe(`python3 (pid ${pid})`);
  });

  test('is named when it has only a mapping left, unless it is dying', async () => {
    const { pid, ...file } = await held(
      'm = mmap.mmap(f.fileno(), 4096)\nos.close(os.dup(f.fileno()))\nf.close()\nfor n in os.listdir("/proc/self/fd"):\n  if int(n) > 2: \n    try: os.close(int(n))\n    except OSError: pass',
    );
    expect(await findHolder([file], '/nowhere')).toBe(`python3 (pid ${pid})`);
    expect(await findHolder([file], cgroupOf(pid ?? 0) ?? 'none')).toBeNull();
  });

  test('is nobody when the process is gone, or there is no file to hold', async () => {
    const { pid: _pid, ...file } = await held('');
    child?.kill('SIGKILL');
    if (child) await once(child, 'exit');
    expect(await findHolder([file], '/nowhere')).toBeNull();
    expect(await findHolder([], '/nowhere')).toBeNull();
  });

  test('is not looked for in this very process', async () => {
    const path = join(directory, 'own');
    writeFileSync(path, '');
    const { open } = await import('node:fs/promises');
    await using _file = await open(path, 'r');
    const { dev, ino } = statSync(path);
    expect(await findHolder([{ device: dev, inode: ino }], '/nowhere')).toBeNull();
  });
});

describe("a device's number", () => {
  test.each([
    [0, '00:00'],
    [1, '00:01'],
    [0xfe00, 'fe:00'],
    [0x0801, '08:01'],
    [0x1000_03_05, '03:10005'],
    [0xfff_ff, 'fff:ff'],
  ])('%d is written as %s in maps', (device, text) => {
    expect(mapsDevice(device)).toBe(text);
  });

  test('is what this process reads in its own maps', () => {
    const line = readFileSync('/proc/self/maps', 'utf8')
      .split('\n')
      .find((one) => one.endsWith(process.execPath));
    expect(line?.split(' ')[3]).toBe(mapsDevice(statSync(process.execPath).dev));
  });
});
