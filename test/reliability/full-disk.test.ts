/**
 * State directories on a disk that is full, or read-only: what cannot be written down is refused by its errno with a remedy,
 * machines go on and can be ended, and nothing is damaged once there is room again.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { DomainInfo } from '../../lib/client/contract.ts';
import { isErrno } from '../../lib/errors.ts';
import { eventually, isAlive, startTicks } from '../e2e/facts.ts';
import { createHost, describeEndToEnd, type Host } from '../e2e/harness.ts';

const pageBytes = 4096;

/** A small file system of its own for a directory of the host; gone with the test. */
class SmallDisk implements AsyncDisposable {
  readonly directory: string;

  constructor(host: Host, name: string) {
    this.directory = host.at(name);
    mkdirSync(this.directory, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=711', 'domctl-test', this.directory]);
  }

  /** Not a byte is left, nor behind the end of a log: empty lines, which every reader passes over, take its last page. */
  fill(): void {
    for (const name of ['journal.jsonl', 'events.jsonl']) {
      const path = join(this.directory, name);
      appendFileSync(path, '\n'.repeat(pageBytes - (statSync(path).size % pageBytes)));
    }
    const fd = openSync(join(this.directory, 'ballast'), 'w');
    try {
      for (const size of [65536, 4096, 1]) writeUntilFull(fd, size);
    } finally {
      closeSync(fd);
    }
  }

  makeRoom(): void {
    rmSync(join(this.directory, 'ballast'));
  }

  /** Threads of a process that is dead already may keep a file open for a moment. */
  async remount(how: 'ro' | 'rw'): Promise<void> {
    await eventually(`${this.directory} is mounted ${how}`, () => {
      return spawnSync('mount', ['-o', `remount,${how}`, this.directory]).status === 0;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The daemon still has files open there.
    execFileSync('umount', ['-l', this.directory]);
    return Promise.resolve();
  }
}

function writeUntilFull(fd: number, size: number): void {
  try {
    for (;;) writeSync(fd, Buffer.alloc(size));
  } catch (error) {
    if (!isErrno(error, 'ENOSPC')) throw error;
  }
}

/** Everything that would have to be written down is refused: exit 8, with the errno and the way out. */
async function refusesRequests(host: Host, errno: string): Promise<void> {
  const newcomer = host.writeXml({ name: 'new1' });
  // An empty file finds its place on a full disk.
  const mark = errno === 'ENOSPC' ? [] : [['autostart', 'db2']];
  for (const args of [['define', newcomer], ['start', 'db2'], ['suspend', 'db1'], ...mark]) {
    const { exit, stdout } = await host.domctl([...args, '--json']);
    const { error } = JSON.parse(stdout) as { error: { code: string; hint: string; message: string; details: object } };
    expect.soft([args[0], exit, error.code]).toEqual([args[0], 8, 'HOST_LACKS']);
    expect.soft(error.message).toContain(`(${errno})`);
    expect.soft(error.hint).toContain('virtual machines go on, and can be shut down and destroyed');
    expect.soft(error.details).toMatchObject({ errno });
  }
  // What was edited is kept where the person finds it: with the host, here.
  const through = ['env', 'EDITOR=sed -i s/65536/66560/', `TMPDIR=${host.directory}`];
  expect((await host.domctl(['edit', 'db2'], { through })).exit).toBe(8);
  // An end is no request that a disk may refuse.
  await eventually('the monitor is there', async () => (await host.domctl(['shutdown', 'db1'])).exit === 0);
  expect(await host.ok('domstate', 'db1')).toBe('running\n');
  expect(await host.ok('domstate', 'db2')).toBe('shut off\n');
  expect((await host.domctl(['domstate', 'new1'])).exit).toBe(3);
}

/** Nothing is damaged: the next daemon reads all of it, and says so of nothing. */
async function isWhole(host: Host): Promise<void> {
  const logBefore = host.log.length;
  await host.nextDaemon();
  expect(host.log.slice(logBefore)).not.toMatch(/not a whole line|stands there twice|damaged/);
  const names = readdirSync(host.at('state'), { recursive: true }) as string[];
  expect(names.filter((name) => /\.new$|\.damaged-/.test(name))).toEqual([]);
  for (const name of ['journal.jsonl', 'events.jsonl'])
    for (const line of readFileSync(host.at(`state/${name}`), 'utf8').split('\n'))
      if (line !== '') expect(() => JSON.parse(line) as unknown).not.toThrow();
}

/** There is room again: the end of db1 is written down, and everything else is as it was. */
async function writesWhatItOwes(host: Host, other: DomainInfo): Promise<void> {
  await eventually('what is owed is written', () => host.history(1).at(-1) === 'released');
  await host.killDaemon();
  await isWhole(host);
  expect(await host.info('db1')).toMatchObject({ state: 'shut off', lastOutcome: { id: 1, kind: 'destroyed' } });
  expect(await host.info('other')).toMatchObject({ state: 'running', pid: other.pid });
  await host.ok('start', 'db2');
}

describeEndToEnd('a state directory', () => {
  test('on a full disk refuses what must be written down, lets machines go on and be ended, and is whole afterwards', async () => {
    await using host = await createHost();
    await using disk = new SmallDisk(host, 'state');
    await host.define({ name: 'db2' });
    const { pid } = await host.run({ name: 'db1', disks: [host.image('a.img')] });
    const other = await host.run({ name: 'other', disks: [host.image('b.img')] });
    disk.fill();
    await refusesRequests(host, 'ENOSPC');
    expect(isAlive(pid!)).toBe(true);
    // It goes by kernel facts, and is written down when there is room.
    await host.ok('destroy', 'db1', '--wait');
    expect(isAlive(pid!)).toBe(false);
    expect(await host.ok('domstate', 'db1', '--reason')).toBe('shut off (destroyed)\n');
    expect(host.history(1)).toEqual(['launching', 'running']);
    disk.makeRoom();
    await writesWhatItOwes(host, other);
  });

  test('on a full disk whose daemon is killed too: the next one tells the truth by kernel facts', async () => {
    await using host = await createHost();
    await using disk = new SmallDisk(host, 'state');
    const { pid } = await host.run({ name: 'db1', disks: [host.image('a.img')] });
    const other = await host.run({ name: 'other', disks: [host.image('b.img')] });
    disk.fill();
    await host.ok('destroy', 'db1', '--wait');
    await host.killDaemon();
    await host.nextDaemon();
    expect(await host.becomes('db1', 'shut off')).toMatchObject({ lastOutcome: { id: 1, kind: 'unknown' } });
    expect(isAlive(pid!)).toBe(false);
    expect(await host.info('other')).toMatchObject({ state: 'running', pid: other.pid });
    disk.makeRoom();
    await host.killDaemon();
    await isWhole(host);
    await host.becomes('db1', 'shut off');
    await host.ok('start', 'db1');
    expect((await host.info('db1')).id).toBe(3);
  });

  test('on a read-only disk: the daemon comes up, tells, ends machines, and refuses the rest', async () => {
    await using host = await createHost();
    await using disk = new SmallDisk(host, 'state');
    await host.define({ name: 'db2' });
    const { pid } = await host.run({ name: 'db1', disks: [host.image('a.img')] });
    const born = startTicks(pid!);
    const other = await host.run({ name: 'other', disks: [host.image('b.img')] });
    await host.killDaemon();
    await disk.remount('ro');
    await host.nextDaemon();
    expect(await host.info('db1')).toMatchObject({ state: 'running', pid });
    expect(startTicks(pid!)).toBe(born);
    await refusesRequests(host, 'EROFS');
    await host.ok('destroy', 'db1', '--wait');
    expect(isAlive(pid!)).toBe(false);
    await disk.remount('rw');
    await writesWhatItOwes(host, other);
  });
});

describeEndToEnd('a runtime directory', () => {
  test('that is full fails a start by its errno, leaves nothing of it, and other machines alone', async () => {
    await using host = await createHost();
    await using disk = new SmallDisk(host, 'run');
    const other = await host.run({ name: 'other' });
    await host.define({ name: 'db1', disks: [host.image('a.img')] });
    // Directories of a tmpfs take no room of their own, but an inode.
    execFileSync('mount', ['-o', 'remount,nr_inodes=8', disk.directory]);
    for (let index = 0; index < 8; index += 1) {
      try {
        mkdirSync(join(disk.directory, `full-${index}`));
      } catch (error) {
        if (!isErrno(error, 'ENOSPC')) throw error;
      }
    }
    const { exit, stderr } = await host.domctl(['start', 'db1']);
    expect(exit).toBe(8);
    expect(stderr).toMatch(/cannot write .*\/run\/incarnations\/\d+: no space left on the device \(ENOSPC\)/);
    await host.becomes('db1', 'shut off');
    expect(await host.info('other')).toMatchObject({ state: 'running', pid: other.pid });
    for (const name of readdirSync(disk.directory).filter((each) => each.startsWith('full-')))
      rmSync(join(disk.directory, name), { recursive: true });
    await host.ok('start', 'db1');
    // The daemon's socket goes with the disk.
    for (const name of ['db1', 'other']) await host.ok('destroy', name, '--wait');
    await host.stopDaemon();
  });
});
