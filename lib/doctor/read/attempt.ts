/** Readings from calls that throw. */
import { readFileSync } from 'node:fs';
import { isErrno, messageOf } from '../../errors.ts';
import { known, type Reading, unknown } from '../../reading.ts';

/** What `read` gives, or its failure as the reason. */
export function attempt<T>(read: () => T): Reading<T> {
  try {
    return known(read());
  } catch (error) {
    return unknown(messageOf(error));
  }
}

/** A small file without the white space at its ends. */
export function readText(path: string): string {
  return readFileSync(path, 'utf8').trim();
}

/** What `read` gives; null where the file is not there. */
export function unlessAbsent<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}
