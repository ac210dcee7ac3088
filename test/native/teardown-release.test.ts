/** libasyncteardown.so once the program is gone: what it lets go of, in which order, and what it must not touch. */
import { execFileSync } from 'node:child_process';
import { constants, readFileSync, readSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import {
  isGone,
  kill,
  killUnlessGone,
  killWholly,
  MiB,
  residentBytes,
  type Running,
  start,
  statusOf,
  theHelper,
} from './preloading.ts';
import { afterwards, describeAsRoot, opened, until } from './support.ts';

/** So slow that its course is seen, and its end. */
const slowly = { ASYNC_TEARDOWN_MODE: 'gentle', ASYNC_TEARDOWN_RATE: '64M' };
/** So slow that it is at its work whenever somebody looks; then it is ended. */
const atWork = { ...slowly, ASYNC_TEARDOWN_RATE: '4M' };

async function endHelper(running: Running): Promise<void> {
  killUnlessGone(theHelper(running));
  await until(() => isGone(theHelper(running)));
}

interface Sample {
  readonly ms: number;
  readonly bytes: number;
}

/** What the dead program's helper held, until it began to exit: exit itself shows no bytes any more. */
async function fallOf(running: Running): Promise<Sample[]> {
  const helper = theHelper(running);
  const samples: Sample[] = [];
  // It works from the program's end on, of which we hear later: time is counted from before.
  const start = performance.now();
  await kill(running);
  for (let bytes = residentBytes(helper); bytes !== null; bytes = residentBytes(helper)) {
    samples.push({ ms: performance.now() - start, bytes });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await until(() => isGone(helper));
  return samples;
}

const lowest = (samples: readonly Sample[]): number => Math.min(...samples.map(({ bytes }) => bytes));

describe('memory of a program that is gone', () => {
  it("is all given back, by the program's end or soon after", async () => {
    const running = await start([`anon=${512 * MiB}`]);
    expect(residentBytes(theHelper(running))).toBeGreaterThan(512 * MiB);
    await killWholly(running);
  });

  it('is freed before the helper exits, at no more than the rate', async () => {
    const samples = await fallOf(await start([`anon=${96 * MiB}`], slowly));
    expect(lowest(samples)).toBeLessThan(16 * MiB);
    expect(samples.at(-1)?.ms).toBeGreaterThan(1000);
    for (const { ms, bytes } of samples) expect(96 * MiB - bytes).toBeLessThan((ms / 1000) * 64 * MiB + 12 * MiB);
  });

  it('is freed where it is locked', async () => {
    const samples = await fallOf(await start([`locked=${64 * MiB}`], slowly));
    expect(lowest(samples)).toBeLessThan(16 * MiB);
  });

  it('is freed in a hundred thousand mappings', async () => {
    const most = Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8'));
    const count = Math.min(100_000, most - 1000);
    const samples = await fallOf(await start([`mappings=${count}`], { ...slowly, ASYNC_TEARDOWN_RATE: '256M' }));
    expect(samples[0]?.bytes).toBeGreaterThan(count * 4096);
    expect(lowest(samples)).toBeLessThan((count * 4096) / 4);
  });

  it('is left to exit where there is less than the minimum', async () => {
    const minimum = { ASYNC_TEARDOWN_MINIMUM: '200M', ASYNC_TEARDOWN_RATE: '1M' };
    const [above, below] = await Promise.all([
      start([`anon=${256 * MiB}`], { ...slowly, ...minimum }),
      start([`anon=${64 * MiB}`], { ...slowly, ...minimum }),
    ]);
    afterwards(() => killUnlessGone(theHelper(above)));
    await Promise.all([kill(above), killWholly(below)]);
    expect(isGone(theHelper(above))).toBe(false);
  });

  it('that others share is unmapped, and is whole to them', async () => {
    const running = await start([`memfd=${128 * MiB}`]);
    const descriptor = opened(`/proc/${running.pid}/fd/${running.told[0]?.split(' ')[1]}`, constants.O_RDONLY);
    await killWholly(running);
    const byte = Buffer.alloc(1);
    for (let page = 0; page < 32_768; page += 1) {
      readSync(descriptor, byte, 0, 1, page * 4096);
      if (byte[0] !== 1 + (page % 100)) throw new Error(`page ${page} was changed`);
    }
  });

  it('makes its helper the preferred victim only then, or never where that is said', async () => {
    const score = (pid: number): number => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'));
    const before = score(process.pid);
    const preferred = await start([`anon=${64 * MiB}`], atWork);
    const kept = await start([`anon=${64 * MiB}`], { ...atWork, ASYNC_TEARDOWN_OOM: 'keep' });
    for (const { pid } of [preferred, kept]) expect(score(pid)).toBe(before);
    await Promise.all([kill(preferred), kill(kept)]);
    await until(() => score(theHelper(preferred)) === 1000);
    expect(score(theHelper(kept))).toBe(before);
    await Promise.all([endHelper(preferred), endHelper(kept)]);
  });
});

describe('what others wait for is let go before the memory', () => {
  const attached = (segment: string): number => {
    const rows = readFileSync('/proc/sysvipc/shm', 'utf8')
      .split('\n')
      .map((row) => row.trim().split(/\s+/));
    return Number(rows.find(([, id]) => id === segment)?.[6]);
  };

  it('a System V segment', async () => {
    const running = await start(['sysv', `anon=${64 * MiB}`], atWork);
    const segment = running.told[0]?.split(' ')[1] ?? '';
    afterwards(() => execFileSync('ipcrm', ['-m', segment]));
    expect(attached(segment)).toBe(1);
    await kill(running);
    await until(() => attached(segment) === 0);
    expect(residentBytes(theHelper(running))).toBeGreaterThan(32 * MiB);
    await endHelper(running);
  });

  it('a port that only an asynchronous operation in flight still has', async () => {
    const running = await start(['aio', `anon=${64 * MiB}`], atWork);
    const port = Number(running.told[0]?.split(' ')[1]);
    await kill(running);
    while (!(await canListen(port))) expect(isGone(theHelper(running))).toBe(false);
    expect(residentBytes(theHelper(running))).toBeGreaterThan(32 * MiB);
    await endHelper(running);
  });
});

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

describeAsRoot('slices', () => {
  const three = { ASYNC_TEARDOWN_THREADS: '3', ASYNC_TEARDOWN_CHUNK: '2M' };

  /** Killed; a forked child of it still has what makes others wait. */
  async function killGuarded(things: readonly string[]): Promise<number> {
    const running = await start(things, three);
    const child = Number((await running.ask('leave-child')).split(' ')[1]);
    afterwards(() => killUnlessGone(child));
    await kill(running);
    return theHelper(running);
  }

  it('are freed side by side, and one that blocks is left to exit', async () => {
    const helper = await killGuarded([`guarded=${16 * MiB}`]);
    const [watching, conducting] = [1, 1];
    await until(() => statusOf(helper, 'Threads') === `${3 + watching + conducting}`);
    await until(() => isGone(helper));
  });

  it('are unmapped, and what blocks that is left to exit', async () => {
    const helper = await killGuarded([`guarded-file=${16 * MiB}`]);
    await until(() => residentBytes(helper) !== null && (residentBytes(helper) ?? 0) < 8 * MiB);
    await until(() => isGone(helper));
  });
});
