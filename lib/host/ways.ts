/**
 * The way to a file: every directory and link that leads to it, who may pass, and who could make it lead elsewhere. Owns walking a
 * path as the kernel does. Must not know: what the file is for.
 */
import { execFile } from 'node:child_process';
import type { Stats } from 'node:fs';
import { lstat, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { DomctlError } from '../errors.ts';

/** Whose rights are asked for. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
}

/** A directory or link on the way. */
interface Stop {
  readonly path: string;
  readonly stats: Stats;
}

export interface Way {
  /** Without links. */
  readonly path: string;
  readonly stats: Stats;
  readonly directories: readonly Stop[];
  readonly links: readonly Stop[];
}

/** As many as the kernel follows (path_resolution(7)). */
const mostLinks = 40;

/** Walks `path`, which must be absolute and lead to something. Throws what lstat does. */
export async function findWay(path: string): Promise<Way> {
  const left = partsOf(path);
  const directories: Stop[] = [];
  const links: Stop[] = [];
  let here = '/';
  let stats = await lstat(here);
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (stats.isDirectory()) directories.push({ path: here, stats });
    const next = name === '..' ? dirname(here) : join(here, name);
    stats = await lstat(next);
    if (!stats.isSymbolicLink()) here = next;
    else {
      links.push({ path: next, stats });
      if (links.length > mostLinks)
        throw new DomctlError('HOST_LACKS', `${path}: too many links`, { details: { path } });
      const target = await readlink(next);
      left.unshift(...partsOf(target));
      if (target.startsWith('/')) here = '/';
      stats = await lstat(here);
    }
  }
  return { path: here, stats, directories, links };
}

function partsOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** The first directory on the way that the account may not pass; null: none. */
export async function findWall({ directories }: Way, account: Account): Promise<string | null> {
  for (const { path, stats } of directories) if (!(await may('x', path, stats, account))) return path;
  return null;
}

/**
 * The first directory or link by which somebody other than root, ourselves and `owner` could make the way lead to another
 * file; null: nobody could. In a sticky directory nobody exchanges what is another's.
 */
export function findLooseEnd({ directories, links }: Way, owner: number): string | null {
  const trusted = [0, process.getuid?.() ?? 0, owner];
  const loose = directories.find(({ stats: { uid, mode } }) => {
    const isOpen = (mode & 0o022) !== 0 && (mode & 0o1000) === 0;
    return isOpen || !trusted.includes(uid);
  });
  return (loose ?? links.find(({ stats }) => !trusted.includes(stats.uid)))?.path ?? null;
}

export type Right = 'r' | 'w' | 'x';

const bits: Readonly<Record<Right, number>> = { r: 4, w: 2, x: 1 };

/** Whether the account has the right: by owner, group and others; where those say no, an access list may still say yes. */
export async function may(right: Right, path: string, { uid, gid, mode }: Stats, account: Account): Promise<boolean> {
  const isMember = gid === account.gid || account.groups.includes(gid);
  const shift = uid === account.uid ? 6 : isMember ? 3 : 0;
  return ((mode >> shift) & bits[right]) !== 0 || asked(right, path, account);
}

/** The kernel's own word, by a program that asks as that user. */
async function asked(right: Right, path: string, { uid, gid }: Account): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  return promisify(execFile)('/usr/bin/test', [`-${right}`, path], { uid, gid }).then(
    () => true,
    () => false,
  );
}
