/** Locks of files as the kernel lists them: all of them in /proc/locks, those of one descriptor in its fdinfo. */
import { readFileSync } from 'node:fs';
import { unlessGone } from './processes.ts';

/** A lock that is held; `end` is its last byte, Infinity for one to the end of the file. */
export interface FileLock {
  /** `MAJOR:MINOR:INODE` as the kernel writes it, which need not be what stat says (btrfs, overlayfs). */
  readonly file: string;
  /** Kind, type and process, as the kernel writes them: `OFDLCK READ -1`. */
  readonly sort: string;
  readonly start: number;
  readonly end: number;
}

/** `1: OFDLCK ADVISORY  READ -1 fe:00:2244760 201 201`; one that waits for its turn has `->` and is none. */
const line = /^(?:lock:\s+)?\d+: (OFDLCK|POSIX)\s+\w+\s+(READ|WRITE)\s+(-?\d+) (\S+) (\d+) (\d+|EOF)\s*$/;

/** Those of a text as in /proc/locks or fdinfo (fs/locks.c) that F_OFD_GETLK sees: of open files and of processes. */
export function parseLocks(text: string): FileLock[] {
  return text.split('\n').flatMap((row) => {
    const [, kind, type, pid, file, start, end] = line.exec(row) ?? [];
    if (file === undefined) return [];
    const last = end === 'EOF' ? Number.POSITIVE_INFINITY : Number(end);
    return [{ file, sort: `${kind} ${type} ${pid}`, start: Number(start), end: last }];
  });
}

/** Every lock there is, also those that no process can be seen to have. */
export function allLocks(): FileLock[] {
  return parseLocks(readFileSync('/proc/locks', 'utf8'));
}

/** Locks that belong to an open file, by one of its descriptors in /proc; none when that is gone. */
export function locksOf(descriptor: string): FileLock[] {
  return parseLocks(unlessGone(() => readFileSync(descriptor.replace('/fd/', '/fdinfo/'), 'utf8')) ?? '');
}

/**
 * Whether `seen`, locks by descriptors on one file, are all that keeps `bytes` of it locked, of `all` there are. Descriptors
 * may be of one open file: two locks that look the same are accounted for by none.
 */
export function accountFor(
  seen: readonly FileLock[],
  { bytes, all }: { readonly bytes: readonly number[]; readonly all: readonly FileLock[] },
): boolean {
  const file = seen[0]?.file;
  if (file === undefined || seen.some((one) => one.file !== file)) return false;
  const locks = all.filter((one) => one.file === file && bytes.some((byte) => covers(one, byte)));
  const keys = new Set(locks.map(keyOf));
  const known = new Set(seen.map(keyOf));
  return (
    keys.size === locks.length &&
    [...keys].every((key) => known.has(key)) &&
    bytes.every((byte) => locks.some((one) => covers(one, byte)))
  );
}

function covers({ start, end }: FileLock, byte: number): boolean {
  return start <= byte && byte <= end;
}

function keyOf({ sort, start, end }: FileLock): string {
  return `${sort} ${start} ${end}`;
}
