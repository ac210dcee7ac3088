/** Reads configuration files, and the directories domctl keeps its own in. */
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { mkdtemp, open, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type * as Native from '../../../native/index.ts';
import { isErrno, messageOf } from '../../errors.ts';
import { type Places, packageDir } from '../../places.ts';
import { checkEverything } from '../../policy/inspect.ts';
import { loadHostConfig } from '../../policy/load.ts';
import { known, type Reading, unknown } from '../../reading.ts';
import type { ConfigurationReadings, DirectoryReading, Failure, LockReading, Mode } from '../readings.ts';

export async function readConfiguration({ configDir }: Places): Promise<ConfigurationReadings> {
  const places = { configDir, shippedDir: join(packageDir(), 'policies') };
  const files = await checkEverything(places);
  const host = await loadHostConfig(places).catch(() => null);
  return {
    files: files.map(({ file, error }) => ({ file, failure: error && { message: error.message, hint: error.hint } })),
    host: host && {
      overcommit: host.value.capacity.overcommit,
      user: host.value.security.user,
      allowRootHypervisor: host.value.security.allowRootHypervisor,
      allowQemuCommandline: host.value.security.allowQemuCommandline,
    },
  };
}

export function readDirectories(places: Places): DirectoryReading[] {
  const directories = [
    ['configuration', places.configDir],
    ['state', places.stateDir],
    ['runtime', places.runtimeDir],
    ['log', places.logDir],
  ] as const;
  return directories.map(([use, path]) => readDirectory(use, path));
}

function readDirectory(use: DirectoryReading['use'], path: string): DirectoryReading {
  const there = nearestThere(path);
  const stats = statSync(there);
  const nearest = stats.isDirectory() ? modeOf(there) : null;
  const damaged = use === 'state' && there === path && nearest !== null ? damagedIn(path) : [];
  return { use, path, nearest, exists: there === path, writable: mayWrite(there), damaged };
}

function damagedIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => name.startsWith('journal.jsonl.damaged-'));
  } catch {
    return []; // not ours to look into
  }
}

/** The file, or the nearest directory above it that is there. */
export function nearestThere(path: string): string {
  try {
    statSync(path);
    return path;
  } catch (error) {
    if (path === '/' || !isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error;
    return nearestThere(dirname(path));
  }
}

export function modeOf(path: string): Mode {
  const { mode, uid, gid } = statSync(path);
  return { path, mode: mode & 0o7777, uid, gid };
}

function mayWrite(path: string): Reading<boolean> {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return known(true);
  } catch (error) {
    return isErrno(error, 'EACCES', 'EPERM', 'EROFS') ? known(false) : unknown(messageOf(error));
  }
}

/** Tries locks on a file made for it in each directory that we may write. */
export async function readLocks(
  addon: typeof Native | Failure,
  directories: readonly string[],
): Promise<LockReading[]> {
  if ('message' in addon) return [];
  const ours = directories.filter((directory) => {
    const writable = mayWrite(directory);
    return writable.known && writable.value;
  });
  return Promise.all(ours.map(async (directory) => ({ directory, seen: await tryLock(addon, directory) })));
}

/** QEMU's first permission byte stands for all. */
const probedByte = 100;

async function tryLock(native: typeof Native, parent: string): Promise<Reading<boolean>> {
  try {
    const directory = await mkdtemp(join(parent, '.domctl-doctor-'));
    const path = join(directory, 'lock');
    try {
      await using held = await open(path, 'ax+');
      await using asking = await open(path, 'r');
      return known(native.tryLockFile(held.fd) && native.probeLockedBytes(asking.fd, [probedByte]).length > 0);
    } finally {
      await rm(path, { force: true });
      await rmdir(directory);
    }
  } catch (error) {
    return unknown(messageOf(error));
  }
}
