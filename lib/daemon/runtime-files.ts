/** Files of one incarnation while it lives: its runtime directory with the monitor's socket, and the domain's log. */
import { execFile } from 'node:child_process';
import type { Stats } from 'node:fs';
import { chmod, chown, lstat, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { escapeName } from '../domain/names.ts';
import { DomctlError, isErrno } from '../errors.ts';
import { oneLine } from '../format.ts';
import type { User } from '../host/users.ts';
import { checkSocketPath, type Places } from '../places.ts';
import { unwritable } from './durable.ts';

/** Past this the log keeps only its tail. */
const longestLogBytes = 2 * 1024 * 1024;
const keptLogBytes = 256 * 1024;
/** Enough for a hypervisor's last words. */
const lastWordsBytes = 4096;

/** Directory of an incarnation's sockets. */
export function runtimeDirectory(places: Places, id: number): string {
  return join(places.runtimeDir, 'incarnations', String(id));
}

/** A path of its own for each launch: QMP serves one client, and a stale path must not lead to a new hypervisor. */
export function qmpSocket(places: Places, id: number): string {
  return checkSocketPath(join(runtimeDirectory(places, id), 'qmp.sock'));
}

/** Where a companion of the hypervisor listens. */
export function companionSocket(places: Places, id: number, name: string): string {
  return checkSocketPath(join(runtimeDirectory(places, id), name));
}

export function logFile(places: Places, domain: string): string {
  return join(places.logDir, `${escapeName(domain)}.log`);
}

/** Makes the directory in which the hypervisor, running as `owner`, makes its socket. */
export async function makeRuntimeDirectory(places: Places, id: number, owner: User | null): Promise<void> {
  const directory = runtimeDirectory(places, id);
  try {
    await mkdir(join(places.runtimeDir, 'incarnations'), { recursive: true, mode: 0o711 });
    await mkdir(directory, { mode: 0o700 });
  } catch (error) {
    throw unwritable(directory, error);
  }
  if (owner) await chown(directory, owner.uid, owner.gid);
}

/**
 * Removes it with all that is in it. Its owner is not trusted: names that are no text, and paths longer than a path can be,
 * stop Node's removal; rm(1) goes down step by step, and takes them as they are.
 */
export async function removeRuntimeDirectory(places: Places, id: number): Promise<void> {
  const directory = runtimeDirectory(places, id);
  await rm(directory, { recursive: true, force: true }).catch(async () => {
    await promisify(execFile)('rm', ['-rf', '--', directory]);
  });
}

/**
 * Directories of incarnations that `isKnown` does not know: what a daemon left that ended while it tidied up. One that
 * cannot be removed is told, and stays.
 */
export async function sweepRuntimeDirectories(
  places: Places,
  isKnown: (id: number) => boolean,
  onFailure: (error: unknown) => void,
): Promise<void> {
  const ids = await readdir(join(places.runtimeDir, 'incarnations')).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  });
  await Promise.all(
    ids
      .map(Number)
      .filter((id) => !isKnown(id))
      .map(async (id) => removeRuntimeDirectory(places, id).catch(onFailure)),
  );
}

/** Others may pass through the runtime directory to their socket, and see nothing of it. */
export async function makeRuntimeRoot(places: Places): Promise<void> {
  await makeOwn(places.runtimeDir);
  await chmod(places.runtimeDir, 0o711);
}

/** Others may pass through the state directory to what is theirs (a TPM's state, UEFI variables), and see nothing of it. */
export async function makeStateRoot(places: Places): Promise<void> {
  await makeOwn(places.stateDir);
  await chmod(places.stateDir, 0o711).catch((error: unknown) => {
    // Machines are told of, and can be ended, also where nothing can be written.
    if (!isErrno(error, 'EROFS')) throw error;
  });
}

/** Who may read logs is their reader's business; who may put a name among them is ours. */
export async function makeLogRoot(places: Places): Promise<void> {
  const { mode } = await makeOwn(places.logDir);
  if ((mode & 0o022) !== 0) await chmod(places.logDir, mode & 0o7755);
}

/** Whose directory it is decides what every name in it leads to: made by somebody else, perhaps as a link, it is refused. */
async function makeOwn(path: string): Promise<Stats> {
  await mkdir(path, { recursive: true, mode: 0o755 });
  const own = process.getuid?.() ?? 0;
  const [link, directory] = [await lstat(path), await stat(path)];
  const stranger = [link, directory].find(({ uid }) => uid !== own);
  if (!stranger) return directory;
  throw new DomctlError('HOST_LACKS', `${path} belongs to uid ${stranger.uid}, not to who runs domctld (uid ${own})`, {
    hint: `chown ${own} ${path}, after a look at what is in it; or choose another directory`,
    details: { path, uid: stranger.uid },
  });
}

/**
 * Shortens a log that has grown past its limit: the tail stays. Writers append (O_APPEND), so none of them notices. False:
 * there was nothing to shorten.
 */
export async function trimLog(path: string): Promise<boolean> {
  try {
    const { size } = await stat(path);
    if (size <= longestLogBytes) return false;
    await using file = await open(path, 'r+');
    const tail = Buffer.alloc(keptLogBytes);
    const { bytesRead } = await file.read(tail, 0, keptLogBytes, size - keptLogBytes);
    await file.truncate(0);
    await file.write(tail, 0, bytesRead, 0);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

/** What the program said last in `path` since it was `fromByte` long: its last error with the lines that go on with it, or null. */
export async function lastWords(path: string, fromByte: number): Promise<string | null> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const start = Math.max(size < fromByte ? 0 : fromByte, size - lastWordsBytes);
    const buffer = Buffer.alloc(Math.max(0, size - start));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
    return lastError(buffer.toString('utf8', 0, bytesRead).split(launchHeader).at(-1) ?? '');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
}

/** A line of our own before each launch: what comes before it is of an earlier one. */
const launchHeader = /^\S+Z incarnation \d+ starting\n/m;

/** QEMU begins an error with a time stamp and its name; further lines of the same error have neither. */
const errorStart = /^(?:\d{4}-\d\d-\d\dT[\d:.]+Z )?qemu[\w-]*: /;

function lastError(text: string): string | null {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const start = lines.findLastIndex((line) => errorStart.test(line));
  const words = lines.slice(start).join(' ').replace(errorStart, '');
  return words === '' ? null : oneLine(words, lastWordsBytes);
}
