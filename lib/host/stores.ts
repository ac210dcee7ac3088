/** Files of the host that are a guest's memory: its store of errors. */
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Pstore } from '../domain/links.ts';
import { DomctlError, isErrno } from '../errors.ts';

/** Makes the file of a store, full of zeroes, when there is none. Throws HOST_LACKS. */
export async function ensureStore(
  { path, sizeBytes }: Pstore,
  owner: { readonly uid: number; readonly gid: number } | null,
): Promise<void> {
  await using file = await open(path, 'wx', 0o600).catch((error: unknown) => {
    if (isErrno(error, 'EEXIST')) return null;
    throw new DomctlError('HOST_LACKS', `${path} (store of errors) cannot be made`, {
      hint: `make its directory: mkdir -p ${dirname(path)}`,
      cause: error,
    });
  });
  await file?.truncate(sizeBytes);
  if (owner) await file?.chown(owner.uid, owner.gid);
}
