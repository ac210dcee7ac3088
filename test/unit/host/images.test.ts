/** Claims on images and what lies behind them, on real files with headers made by hand (QEMU docs/interop/qcow2.txt). */
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Disk } from '../../../lib/domain/devices.ts';
import { isFileClaim } from '../../../lib/domain/claims.ts';
import { server } from '../../fixtures/qmp/sources.ts';
import { disk as plainDisk } from '../../fixtures/qmp/domains.ts';
import { claimImages, lockedBytes } from '../../../lib/host/images.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domctl-images-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function at(name: string): string {
  return join(directory, name);
}

/** A qcow2 image whose header names `backing`; none: offset and length are 0. */
function qcow2(name: string, backing: string | null, lengthInHeader = Buffer.byteLength(backing ?? '')): string {
  const header = Buffer.alloc(104 + Buffer.byteLength(backing ?? ''));
  header.write('QFI\xfb', 'latin1');
  header.writeUInt32BE(3, 4);
  if (backing !== null) {
    header.writeBigUInt64BE(104n, 8);
    header.writeUInt32BE(lengthInHeader, 16);
    header.write(backing, 104);
  }
  writeFileSync(at(name), header);
  return at(name);
}

function raw(name: string): string {
  writeFileSync(at(name), 'raw');
  return at(name);
}

function disk(path: string, change: Partial<Disk> = {}): Disk {
  return plainDisk(path, { format: 'qcow2', ...change });
}

/** Claims as `mode name`. */
async function claimed(...disks: Disk[]): Promise<string[]> {
  return (await claimImages(disks)).map(({ mode, path }) => `${mode} ${path.replace(`${directory}/`, '')}`);
}

describe('a claim', () => {
  test('knows its file by device and inode', async () => {
    const path = raw('a.raw');
    const { dev, ino } = statSync(path);
    expect(await claimImages([disk(path, { format: 'raw' })])).toEqual([
      { kind: 'image', path, device: dev, inode: ino, mode: 'exclusive' },
    ]);
  });

  test('is the same one through a hard link and a symbolic link', async () => {
    linkSync(raw('a.raw'), at('hard'));
    symlinkSync(at('a.raw'), at('soft'));
    const claims = await claimImages(['a.raw', 'hard', 'soft'].map((name) => disk(at(name), { format: 'raw' })));
    expect(claims).toHaveLength(3);
    expect(new Set(claims.map((claim) => isFileClaim(claim) && claim.inode)).size).toBe(1);
  });

  test.each([
    [{}, 'exclusive'],
    [{ readonly: true }, 'shared'],
    [{ shareable: true }, 'shared'],
  ] as const)('with %j is %s', async (change, mode) => {
    expect(await claimed(disk(raw('a.raw'), { format: 'raw', ...change }))).toEqual([`${mode} a.raw`]);
  });
});

describe('an empty drive', () => {
  test('claims nothing', async () => {
    expect(await claimed(disk('', { device: 'cdrom', source: null }))).toEqual([]);
  });
});

describe('a backing chain', () => {
  test('is claimed to its end, shared, nearest first', async () => {
    raw('base.raw');
    qcow2('middle', 'base.raw');
    expect(await claimed(disk(qcow2('top', at('middle'))))).toEqual([
      'exclusive top',
      'shared middle',
      'shared base.raw',
    ]);
  });

  test('that the definition names is claimed as it says, and beyond as the last image says', async () => {
    raw('base.raw');
    qcow2('middle', 'base.raw');
    const images = [{ source: { type: 'file', path: at('middle') }, format: 'qcow2' }] as const;
    const top = qcow2('top', at('nowhere'));
    const own = ['exclusive top', 'shared middle'];
    expect(await claimed(disk(top, { backing: { images, ends: true } }))).toEqual(own);
    expect(await claimed(disk(top, { backing: { images, ends: false } }))).toEqual([...own, 'shared base.raw']);
    expect(await claimed(disk(top, { backing: { images: [], ends: true } }))).toEqual(['exclusive top']);
  });

  test('on a server claims nothing of this host, a directory has to be one', async () => {
    const hosts = [{ transport: 'tcp', name: 'h', port: null }] as const;
    expect(await claimed(disk('', { source: server({ protocol: 'nbd', hosts }) }))).toEqual([]);
    mkdirSync(at('files'));
    const directory = (path: string): Disk =>
      disk('', { format: 'fat', source: { type: 'dir', path }, readonly: true });
    expect(await claimed(directory(at('files')))).toEqual([]);
    await expect(claimImages([directory(raw('a.raw'))])).rejects.toMatchObject({ code: 'HOST_LACKS' });
  });

  test('that is no file is never opened: a FIFO would keep the daemon waiting, a device might act', async () => {
    execFileSync('mkfifo', [at('fifo')]);
    for (const name of [at('fifo'), '/dev/tty', directory])
      await expect(claimed(disk(qcow2('top', name)))).rejects.toMatchObject({
        code: 'HOST_LACKS',
        message: `${name} (backing file of disk 'vda') is not a regular file`,
      });
  });

  test('is relative to the image that names it', async () => {
    mkdirSync(at('templates'));
    raw('templates/base.raw');
    qcow2('templates/middle', 'base.raw');
    expect(await claimed(disk(qcow2('top', 'templates/middle')))).toEqual([
      'exclusive top',
      'shared templates/middle',
      'shared templates/base.raw',
    ]);
  });

  test('is followed through file: and ends at any other protocol, which QEMU locks itself', async () => {
    raw('base.raw');
    expect(await claimed(disk(qcow2('top', `file:${at('base.raw')}`)))).toEqual(['exclusive top', 'shared base.raw']);
    for (const name of ['nbd://host/export', 'json:{"driver":"raw"}', 'https://x/y'])
      expect(await claimed(disk(qcow2('top', name)))).toEqual(['exclusive top']);
  });

  test.each([
    ['none is named', null, undefined],
    ['the name is longer than QEMU takes', 'base.raw', 1024],
  ])('is empty when %s', async (_why, backing, length) => {
    expect(await claimed(disk(qcow2('top', backing, length)))).toEqual(['exclusive top']);
  });

  test('is not looked for in a raw image, whatever its content says', async () => {
    expect(await claimed(disk(qcow2('guest-written', '/etc/passwd'), { format: 'raw' }))).toEqual([
      'exclusive guest-written',
    ]);
  });

  test('is empty for a file too short for a header', async () => {
    writeFileSync(at('short'), 'QFI\xfb', 'latin1');
    expect(await claimed(disk(at('short')))).toEqual(['exclusive short']);
  });

  test('with a loop is refused at the image that closes it', async () => {
    qcow2('a', 'b');
    qcow2('b', 'c');
    qcow2('c', 'a');
    qcow2('itself', 'itself');
    await expect(claimed(disk(at('a')))).rejects.toThrow(
      expect.objectContaining({
        code: 'HOST_LACKS',
        message: `${at('a')}: its chain of backing files has a loop at ${at('b')}`,
      }) as Error,
    );
    await expect(claimed(disk(at('itself')))).rejects.toThrow(expect.objectContaining({ code: 'HOST_LACKS' }) as Error);
  });

  test('of 64 images is claimed, a longer one refused', async () => {
    raw('0');
    for (let index = 1; index <= 65; index += 1) qcow2(String(index), String(index - 1));
    expect(await claimed(disk(at('64')))).toHaveLength(65);
    await expect(claimed(disk(at('65')))).rejects.toThrow(expect.objectContaining({ code: 'HOST_LACKS' }) as Error);
  });
});

describe('an image that cannot be claimed', () => {
  test.each([
    ['is missing', () => at('missing'), /missing \(disk 'vda'\) does not exist$/],
    ['is a directory', () => directory, /is not a regular file$/],
    ['is a device', () => '/dev/null', /is not a regular file$/],
  ])('because it %s is refused with its path', async (_why, path, message) => {
    await expect(claimed(disk(path()))).rejects.toThrow(
      expect.objectContaining({
        code: 'HOST_LACKS',
        message: expect.stringMatching(message) as string,
        details: { path: path() },
      }) as Error,
    );
  });

  test('because it is a file where a block device is named is refused with its path', async () => {
    const path = raw('a.raw');
    await expect(claimed(disk(path, { source: { type: 'block', path } }))).rejects.toThrow(
      expect.objectContaining({
        code: 'HOST_LACKS',
        message: `${path} (disk 'vda') is not a block device`,
      }) as Error,
    );
  });

  test('because its backing file is missing is refused with the path of that', async () => {
    const top = qcow2('top', 'missing');
    await expect(claimed(disk(top))).rejects.toThrow(
      expect.objectContaining({ code: 'HOST_LACKS', details: { path: at('missing') } }) as Error,
    );
  });
});

describe("an image's locks", () => {
  test('are none on a file nobody locks', async () => {
    expect(await lockedBytes(raw('a.raw'))).toEqual([]);
  });

  test('of a file that is not there are not none', async () => {
    await expect(lockedBytes(at('missing'))).rejects.toThrow(/ENOENT/);
  });
});
