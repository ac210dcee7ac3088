import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { probeCapabilities } from '../../../lib/qemu/capabilities.ts';
import { teardownForm } from '../../../lib/qemu/interrogate.ts';

let directory: string;
let cache: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'domctl-capabilities-'));
  cache = path.join(directory, 'cache');
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
});

const answers = [
  { QMP: { version: {}, capabilities: [] } },
  { return: {}, id: 'qmp_capabilities' },
  { return: { qemu: { major: 7, minor: 2, micro: 19 }, package: '' }, id: 'query-version' },
  { return: [{ name: 'pc-q35-7.2', alias: 'q35' }, { name: 'none' }], id: 'query-machines' },
  { timestamp: { seconds: 1, microseconds: 1 }, event: 'SHUTDOWN', data: {} },
  { return: { enabled: false, present: true }, id: 'query-kvm' },
  { return: [{ name: 'qemu64' }, { name: 'max', typename: 'max-x86_64-cpu' }], id: 'query-cpu-definitions' },
  { return: [{ name: 'virtio-blk-pci', parent: 'virtio-blk-pci-base' }], id: 'qom-list-types' },
  { return: {}, id: 'quit' },
];

/** An emulator that counts its runs, and answers like a QEMU unless told otherwise. */
async function emulator(lines: readonly object[] = answers, mode = 0o755): Promise<string> {
  const file = path.join(directory, 'emulator');
  const said = lines.map((line) => JSON.stringify(line)).join('\n');
  const help = '-async-teardown enable asynchronous teardown';
  const asked = ['echo >>"$0.runs"', 'asked=$(cat)'];
  const fragile = '[ -e "$0.fragile" ] && case $asked in *qom-list-types*) exit 134;; esac';
  const answer = [...asked, fragile, "cat <<'END'", said, 'END'];
  const script = ['#!/bin/sh', `[ "$1" = -help ] && { echo '${help}'; exit; }`, ...answer];
  await writeFile(file, `${script.join('\n')}\n`);
  await chmod(file, mode);
  return file;
}

/** One for what it is, one for its devices; its help is not counted. */
const runsOfOneAsking = 2;

async function runsOf(file: string): Promise<number> {
  return (await readFile(`${file}.runs`, 'utf8')).length;
}

const expected = {
  version: '7.2.19',
  asyncTeardown: 'async-teardown',
  machines: [
    { name: 'pc-q35-7.2', alias: 'q35' },
    { name: 'none', alias: null },
  ],
  kvm: true,
  processors: ['qemu64', 'max'],
  devices: ['virtio-blk-pci'],
};

describe('an emulator', () => {
  test('is asked once by callers at the same time', async () => {
    const file = await emulator();
    const found = await Promise.all([1, 2, 3].map(() => probeCapabilities(file, cache)));
    expect(found).toEqual([1, 2, 3].map(() => ({ emulator: file, ...expected })));
    expect(await runsOf(file)).toBe(runsOfOneAsking);
  });

  test('is not asked again while the file on disk is right', async () => {
    const file = await emulator();
    await probeCapabilities(file, cache);
    const copy = path.join(directory, 'copy');
    await mkdir(copy);
    for (const name of await readdir(cache)) {
      await writeFile(path.join(copy, name), await readFile(path.join(cache, name)));
    }
    expect(await probeCapabilities(file, copy)).toEqual({ emulator: file, ...expected });
    expect(await runsOf(file)).toBe(runsOfOneAsking);
  });

  test('is asked again when the binary changes', async () => {
    await probeCapabilities(await emulator(), cache);
    const version = { return: { qemu: { major: 10, minor: 0, micro: 2 } }, id: 'query-version' };
    const upgraded = answers.map((each) => (each.id === version.id ? version : each));
    expect(await probeCapabilities(await emulator(upgraded), cache)).toMatchObject({ version: '10.0.2' });
  });

  test.each(['', '{', '{"format":1}', 'null'])(
    'is asked again for a cache file of %j, replaced then',
    async (damage) => {
      const file = await emulator();
      await probeCapabilities(file, cache);
      const [name] = await readdir(cache);
      const damaged = path.join(directory, 'damaged');
      await mkdir(damaged);
      await writeFile(path.join(damaged, name!), damage);
      await probeCapabilities(file, damaged);
      expect(await readdir(damaged)).toEqual([name]);
      expect(await readFile(path.join(damaged, name!), 'utf8')).toBe(await readFile(path.join(cache, name!), 'utf8'));
    },
  );

  test('is believed to have every device when it dies of listing them', async () => {
    const file = await emulator();
    await writeFile(`${file}.fragile`, '');
    expect(await probeCapabilities(file, cache)).toEqual({ emulator: file, ...expected, devices: null });
  });

  test('is usable without a cache', async () => {
    await writeFile(cache, 'a file where the directory should be');
    expect(await probeCapabilities(await emulator(), cache)).toMatchObject(expected);
  });
});

describe('an unusable emulator is HOST_LACKS with the way out', () => {
  async function expectUnusable(file: string, message: RegExp): Promise<void> {
    await expect(probeCapabilities(file, cache)).rejects.toMatchObject({
      code: 'HOST_LACKS',
      message: expect.stringMatching(message),
      hint: 'apt-get install --no-install-recommends qemu-system-x86',
    });
    await expect(readdir(cache)).rejects.toMatchObject({ code: 'ENOENT' });
  }

  test('when there is none', () => expectUnusable('/nonexistent/qemu', /there is no emulator/));
  test('when it is not executable', async () => expectUnusable(await emulator(answers, 0o644), /not executable/));
  test('when it is a directory', () => expectUnusable(directory, /not executable/));
  test('when it says nothing', () => expectUnusable('/bin/true', /not a QEMU/));
  test('when it fails', () => expectUnusable('/bin/false', /not a QEMU/));
  test('when it answers otherwise', async () => expectUnusable(await emulator(answers.slice(0, 3)), /not a QEMU/));

  test('when it does not answer in time', async () => {
    const file = path.join(directory, 'silent');
    await writeFile(file, '#!/bin/sh\nexec sleep 1000\n');
    await chmod(file, 0o755);
    await expect(probeCapabilities(file, cache, { deadlineMs: 100, user: null })).rejects.toMatchObject({
      code: 'HOST_LACKS',
      message: expect.stringMatching(/did not answer in time/),
      hint: expect.stringMatching(/-version' shows whether it answers/),
    });
  });

  test('and is asked anew once it is repaired', async () => {
    const file = await emulator([]);
    await expectUnusable(file, /not a QEMU/);
    await emulator();
    expect(await probeCapabilities(file, cache)).toMatchObject(expected);
  });
});

test.each([
  ['-run-with [async-teardown=on|off][,chroot=dir]\n', 'run-with'],
  ['-run-with [chroot=dir]\n', null],
  ['-async-teardown enable asynchronous teardown\n', 'async-teardown'],
  ['-name string\n', null],
])('the help %j means async teardown in the form %s', (help, form) => {
  expect(teardownForm(`usage: qemu\n${help}-msg\n`)).toBe(form);
});
