/**
 * The state of a domain's emulated TPM on disk: of its UUID, and kept from one incarnation to the next. That of a domain
 * without a definition goes with its last incarnation, as libvirt does it: a mark beside it says so, and outlives a daemon.
 */
import { access, mkdir, open, readdir, rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../errors.ts';
import { syncDirectory, unwritable } from './durable.ts';

/** Where the states of all domains are. */
export function tpmStates(stateDir: string): string {
  return join(stateDir, 'tpm');
}

/** Directory of the TPM of the domain with that UUID. */
export function tpmState(stateDir: string, uuid: string): string {
  return join(tpmStates(stateDir), uuid);
}

const markEnd = '.transient';

function markOf(stateDir: string, uuid: string): string {
  return `${tpmState(stateDir, uuid)}${markEnd}`;
}

/** It goes with the domain's last incarnation, or at once where there is none. Throws HOST_LACKS where no disk takes it. */
export async function markTransient(stateDir: string, uuid: string): Promise<void> {
  const mark = markOf(stateDir, uuid);
  try {
    await mkdir(tpmStates(stateDir), { recursive: true, mode: 0o711 });
    await (await open(mark, 'a', 0o600)).close();
    await syncDirectory(tpmStates(stateDir));
  } catch (error) {
    throw unwritable(mark, error);
  }
}

/** It is a persistent domain's again. */
export async function unmarkTransient(stateDir: string, uuid: string): Promise<void> {
  await rm(markOf(stateDir, uuid), { force: true });
}

/** Removes the state of a domain that is gone, if that was wanted; true when it was. The mark goes last. */
export async function removeTransient(stateDir: string, uuid: string): Promise<boolean> {
  if (!(await marked(stateDir)).includes(uuid)) return false;
  const state = await existingTpmState(stateDir, uuid);
  const isRemoved = state !== null && (await removeTpmState(state));
  await unmarkTransient(stateDir, uuid);
  return isRemoved;
}

/** After a daemon that died over it: removes what nobody has any more, and the marks of those that are defined. */
export async function sweepTransient(
  stateDir: string,
  { isDefined, isHeld }: { isDefined(uuid: string): boolean; isHeld(uuid: string): boolean },
): Promise<void> {
  for (const uuid of await marked(stateDir)) {
    if (isDefined(uuid)) await unmarkTransient(stateDir, uuid);
    else if (!isHeld(uuid)) await removeTransient(stateDir, uuid);
  }
}

/** UUIDs of those that are to go. */
async function marked(stateDir: string): Promise<string[]> {
  const names = await readdir(tpmStates(stateDir)).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  });
  return names.filter((name) => name.endsWith(markEnd)).map((name) => name.slice(0, -markEnd.length));
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
async function removeTpmState(path: string): Promise<boolean> {
  const entries = await readdir(path, { withFileTypes: true });
  await Promise.all(entries.filter((entry) => !entry.isDirectory()).map(({ name }) => unlink(join(path, name))));
  if (entries.some((entry) => entry.isDirectory())) return false;
  await rmdir(path);
  return true;
}
