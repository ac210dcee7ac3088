/**
 * The one place that touches files of a cgroup file system. Every path is proven to lie on cgroupfs (a tmpfs in its
 * place would swallow limits in silence), every error carries the path and the text written.
 * Reads are synchronous: these files are served from kernel memory, and a question must not queue behind a slow
 * write in the thread pool. Writes, mkdir and rmdir may wait for the kernel (force_empty, cgroup_mutex): never on the loop.
 */
import { constants, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { mkdir, open, rmdir } from 'node:fs/promises';
import { constants as osConstants } from 'node:os';
import { dirname } from 'node:path';
import { isErrno, KernelError } from '../lib/errors.ts';

/** f_type of cgroup2 and of cgroup v1 mounts (linux/magic.h). */
const cgroupMagics: ReadonlySet<number> = new Set([0x63677270, 0x27e0eb]);

/** Directories already proven to be on cgroupfs; a mount does not change its type while we run. */
const proven = new Set<string>();

function proveCgroupfs(directory: string): void {
  if (proven.has(directory)) return;
  const { type } = attempt('statfs', directory, () => statfsSync(directory));
  if (!cgroupMagics.has(type)) {
    throw new KernelError({
      errno: 0,
      code: `not a cgroup file system (f_type 0x${type.toString(16)})`,
      syscall: 'statfs',
      path: directory,
    });
  }
  proven.add(directory);
}

/** The file's text. Throws KernelError (ENOENT when the cgroup is gone, ENODEV when it goes meanwhile). */
export function readCgroupFile(path: string): string {
  proveCgroupfs(dirname(path));
  return attempt('read', path, () => readFileSync(path, 'utf8'));
}

/** Names of the entries of a cgroup directory; `{ directories }` are its children. */
export function listCgroup(path: string): { files: string[]; directories: string[] } {
  proveCgroupfs(path);
  const entries = attempt('readdir', path, () => readdirSync(path, { withFileTypes: true }));
  return {
    files: entries.filter((entry) => entry.isFile()).map((entry) => entry.name),
    directories: entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name),
  };
}

/** One write(2) of `text`: cgroup files take a command a write. Throws KernelError. */
export async function writeCgroupFile(path: string, text: string): Promise<void> {
  proveCgroupfs(dirname(path));
  try {
    await using file = await open(path, constants.O_WRONLY);
    await file.write(text);
  } catch (error) {
    throw kernelError(error, 'write', path, text);
  }
}

/** Makes a directory that must not exist yet. Throws KernelError (EEXIST, EROFS, EACCES, ...). */
export async function makeCgroup(path: string): Promise<void> {
  proveCgroupfs(dirname(path));
  await mkdir(path).catch((error: unknown) => {
    throw kernelError(error, 'mkdir', path);
  });
}

/** Removes a directory without children or processes; one that is gone already is fine. */
export async function removeCgroup(path: string): Promise<void> {
  try {
    proveCgroupfs(path);
    await rmdir(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw kernelError(error, 'rmdir', path);
  }
  proven.delete(path);
}

function attempt<T>(syscall: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw kernelError(error, syscall, path);
  }
}

function kernelError(error: unknown, syscall: string, path: string, written?: string): KernelError {
  if (error instanceof KernelError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const errnos: Readonly<Record<string, number>> = osConstants.errno;
  const errno = errnos[code] ?? 0;
  return new KernelError({ errno, code, syscall, path, cause: error, ...(written === undefined ? {} : { written }) });
}
