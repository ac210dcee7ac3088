/** The way to a file: walked as the kernel walks it, and who could make it lead elsewhere. */
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { findLooseEnd, findWall, findWay } from '../../../lib/host/ways.ts';

let root = '';
const at = (name: string): string => join(root, name);

beforeEach(() => {
  root = mkdtempSync(join(realpathSync(tmpdir()), 'domctl-ways-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  chmodSync(root, 0o755);
  mkdirSync(at('images/deep'), { recursive: true, mode: 0o755 });
  writeFileSync(at('images/deep/a.img'), '');
});

/** Who is in no group of ours. */
const stranger = { name: 'stranger', uid: 4_000_000, gid: 4_000_000, groups: [] };
const own = process.getuid?.() ?? 0;

describe('a way', () => {
  test.each([
    ['images/deep/a.img', 0],
    ['images/./deep/../deep//a.img', 0],
    ['link/a.img', 1],
    ['absolute', 1],
    ['chain', 2],
  ])('by %s leads to the file itself, and every link is told', async (name, links) => {
    symlinkSync('images/deep', at('link'));
    symlinkSync(at('images/deep/a.img'), at('absolute'));
    symlinkSync('absolute', at('chain'));
    const way = await findWay(at(name));
    expect(way.path).toBe(at('images/deep/a.img'));
    expect(way.links).toHaveLength(links);
    expect(way.directories.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['/', root, at('images'), at('images/deep')]),
    );
  });

  test('in a circle is an error, as is one that leads nowhere', async () => {
    symlinkSync('circle', at('circle'));
    await expect(findWay(at('circle'))).rejects.toMatchObject({ code: 'HOST_LACKS' });
    await expect(findWay(at('images/none'))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(findWay(at('images/deep/a.img/b'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });
});

describe('a wall', () => {
  test('is the first directory that somebody may not pass', async () => {
    const way = await findWay(at('images/deep/a.img'));
    expect(await findWall(way, stranger)).toBeNull();
    chmodSync(at('images'), 0o750);
    expect(await findWall(await findWay(at('images/deep/a.img')), stranger)).toBe(at('images'));
    const member = { ...stranger, groups: [process.getgid?.() ?? 0] };
    expect(await findWall(await findWay(at('images/deep/a.img')), member)).toBeNull();
  });
});

describe('a loose end', () => {
  test('is a directory that others may write, unless it is sticky', async () => {
    expect(findLooseEnd(await findWay(at('images/deep/a.img')), own)).toBeNull();
    chmodSync(at('images'), 0o777);
    expect(findLooseEnd(await findWay(at('images/deep/a.img')), own)).toBe(at('images'));
    chmodSync(at('images'), 0o1777);
    expect(findLooseEnd(await findWay(at('images/deep/a.img')), own)).toBeNull();
  });

  test('also where it is only the link that they may exchange', async () => {
    mkdirSync(at('open'));
    chmodSync(at('open'), 0o777);
    symlinkSync(at('images/deep/a.img'), at('open/link'));
    expect(findLooseEnd(await findWay(at('open/link')), own)).toBe(at('open'));
  });
});
