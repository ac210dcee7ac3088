/** Files that are whole whenever the power goes, and what is said where a disk takes nothing. */
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DomctlError } from '../errors.ts';
import { type FaultPoint, reach } from './fault-points.ts';

/** Write, fsync, rename, fsync the directory; what it replaces stays as it was where that fails. Throws as `unwritable`. */
export async function writeDurably(path: string, text: string, written?: FaultPoint): Promise<void> {
  const fresh = freshName(path);
  try {
    await writeFile(fresh, text, { mode: 0o600, flush: true });
    if (written) reach(written);
    await rename(fresh, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(fresh, { force: true }).catch(() => undefined); // it is the first failure that tells
    throw unwritable(path, error);
  }
}

/** Where a text is until it is whole; one that is found is of a process that died over it. */
export function freshName(path: string): string {
  return `${path}.new`;
}

/** Makes renames, creations and removals in `directory` durable. */
export async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r');
  await handle.sync();
}

const room = 'make room there (df -h and df -i tell), or move the directory';
const reasons: Readonly<Record<string, { readonly why: string; readonly remedy: string }>> = {
  ENOSPC: { why: 'no space left on the device', remedy: room },
  EDQUOT: { why: 'the disk quota is used up', remedy: room },
  EFBIG: { why: 'the file may not become larger', remedy: 'raise the limit of file sizes (ulimit -f) of the daemon' },
  EROFS: {
    why: 'the file system is read-only',
    remedy: 'see why (dmesg), then mount it writable: mount -o remount,rw',
  },
  EIO: { why: 'the device fails', remedy: 'see dmesg' },
};

/** The failure of a write to `path` as HOST_LACKS, with its errno in the details; one of another kind as it is. */
export function unwritable(path: string, error: unknown): unknown {
  const errno = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = reasons[errno];
  if (!reason) return error;
  return new DomctlError('HOST_LACKS', `cannot write ${path}: ${reason.why} (${errno})`, {
    hint: `${reason.remedy}; nothing was changed, virtual machines go on, and can be shut down and destroyed`,
    details: { path, errno },
    cause: error,
  });
}
