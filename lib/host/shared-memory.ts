/**
 * Memory that guests share: files below /dev/shm, which stay when the last of them is gone, and sockets of servers. A file is
 * filled before its guest begins, by a process of the daemon's own cgroup: the kernel charges a page to who touches it first,
 * and a guest that had touched it would never be seen to give it back.
 */
import { execFile } from 'node:child_process';
import { access, lstat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { serverSocket, type SharedFile, sharedFiles, sharedPath, type Shmem } from '../domain/shmem.ts';
import { DomctlError, isErrno, messageOf } from '../errors.ts';

/** Of stat(2), whatever the file system's own. */
const bytesPerBlock = 512;

/**
 * Bytes that the files of a definition still lack on this host: what filling them takes. Throws HOST_LACKS for a file that
 * is none or too short, and for a server that does not listen.
 */
export async function lackingShared(shmems: readonly Shmem[]): Promise<number> {
  for (const one of shmems) if (one.model === 'ivshmem-doorbell') await requireServer(serverSocket(one));
  // A guest may have two cards of one file.
  const files = new Map(sharedFiles(shmems).map((file) => [file.name, file]));
  const lacking = await Promise.all(Array.from(files.values(), async (file) => (await lookAt(file)).lackingBytes));
  return lacking.reduce((total, bytes) => total + bytes, 0);
}

async function requireServer(path: string): Promise<void> {
  await access(path).catch((error: unknown) => {
    throw new DomctlError('HOST_LACKS', `${path} (<shmem><server>) is not there: ${messageOf(error)}`, {
      hint: 'start the server that listens there first, e.g. ivshmem-server -S PATH',
      details: { path },
      cause: error,
    });
  });
}

interface Look {
  readonly isThere: boolean;
  readonly lackingBytes: number;
}

async function lookAt(file: SharedFile): Promise<Look> {
  const path = sharedPath(file);
  const stats = await lstat(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return null;
    throw new DomctlError('HOST_LACKS', `${path} (<shmem>): ${messageOf(error)}`, { details: { path }, cause: error });
  });
  if (stats === null) return { isThere: false, lackingBytes: file.sizeBytes };
  if (!stats.isFile()) throw unusable(path, 'is no file', `remove it: rm ${path}`);
  // An empty one is given its size, as by QEMU itself.
  if (stats.size > 0 && stats.size < file.sizeBytes)
    throw unusable(path, `has ${stats.size} bytes, and ${file.sizeBytes} are to be shared`, 'write the <size> it has');
  // Of a longer one it is not told where it has its holes.
  const size = Math.max(stats.size, file.sizeBytes);
  const lackingBytes = Math.max(0, Math.min(file.sizeBytes, size - stats.blocks * bytesPerBlock));
  return { isThere: stats.size > 0, lackingBytes };
}

function unusable(path: string, why: string, hint: string): DomctlError {
  return new DomctlError('HOST_LACKS', `${path} (<shmem>) ${why}`, { hint, details: { path } });
}

/**
 * Makes the files that are not there, `owner`'s (null: ours), and gives each the memory it lacks. What is in them stays.
 * Throws HOST_LACKS where the owner may not, and where there is no room.
 */
export async function fillShared(
  files: readonly SharedFile[],
  owner: { readonly uid: number; readonly gid: number } | null,
): Promise<void> {
  for (const file of files) {
    const { isThere, lackingBytes } = await lookAt(file);
    if (lackingBytes > 0) await fill(file, isThere, owner);
  }
}

/** By the owner's rights alone: whatever the name leads to, it is nothing that a guest's hypervisor may not have. */
async function fill(
  file: SharedFile,
  isThere: boolean,
  owner: { readonly uid: number; readonly gid: number } | null,
): Promise<void> {
  const path = sharedPath(file);
  // With --keep-size it opens without O_CREAT, which is refused for files of others in a directory of everybody's.
  const args = [...(isThere ? ['--keep-size'] : []), '--length', String(file.sizeBytes), path];
  const rights = owner === null ? {} : { uid: owner.uid, gid: owner.gid };
  await promisify(execFile)('fallocate', args, { ...rights, env: environment, cwd: '/' }).catch((error: unknown) => {
    const said = (error as { stderr?: string }).stderr?.trim().split('\n').at(-1) ?? '';
    throw new DomctlError(
      'HOST_LACKS',
      `${path} (<shmem>) cannot be filled: ${said === '' ? messageOf(error) : said}`,
      {
        hint: `it needs ${file.sizeBytes} bytes on that file system: df /dev/shm`,
        details: { path },
        cause: error,
      },
    );
  });
}

const environment = { LC_ALL: 'C', PATH: '/usr/bin:/bin' };
