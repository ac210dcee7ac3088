/** Whose word counts: who may write a policy, or the directory it is in, decides who may start what, and as whom. */
import type { Stats } from 'node:fs';
import { invalidPolicy } from './problem.ts';

/** Throws INVALID_POLICY unless the file or directory is root's or our own user's, and nobody else's to write. */
export function requireTrusted(path: string, { uid, mode }: Pick<Stats, 'uid' | 'mode'>): void {
  const own = process.getuid?.() ?? 0;
  if (uid !== 0 && uid !== own) {
    const what = `belongs to uid ${uid}: only root and who runs domctl may say what counts`;
    throw invalidPolicy({ file: path, what, hint: `chown ${own} ${path}, after a look at what it says` });
  }
  if ((mode & 0o022) === 0) return;
  const what = `may be written by others (mode ${(mode & 0o777).toString(8)}): only root and who runs domctl may say what counts`;
  throw invalidPolicy({ file: path, what, hint: `chmod go-w ${path}, after a look at what it says` });
}
