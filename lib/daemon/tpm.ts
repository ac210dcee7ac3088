/** The state of a domain's emulated TPM on disk: of its UUID, and kept from one incarnation to the next. */
import { access, readdir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../errors.ts';

/** Where the states of all domains are. */
export function tpmStates(stateDir: string): string {
  return join(stateDir, 'tpm');
}

/** Directory of the TPM of the domain with that UUID. */
export function tpmState(stateDir: string, uuid: string): string {
  return join(tpmStates(stateDir), uuid);
}

/** That directory if it is there; null otherwise. */
export async function existingTpmState(stateDir: string, uuid: string): Promise<string | null> {
  const path = tpmState(stateDir, uuid);
  return access(path).then(
    () => path,
    (error: unknown) => {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
      throw error;
    },
  );
}

/** Removes it with the files that swtpm makes. False: something else is in there, and stays. */
export async function removeTpmState(path: string): Promise<boolean> {
  const entries = await readdir(path, { withFileTypes: true });
  await Promise.all(entries.filter((entry) => !entry.isDirectory()).map(({ name }) => unlink(join(path, name))));
  if (entries.some((entry) => entry.isDirectory())) return false;
  await rmdir(path);
  return true;
}
