/** A TPM of the host, opened for a hypervisor, which needs no right of its own. */
import { constants } from 'node:fs';
import { access, type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { CharacterClaim } from '../domain/claims.ts';
import type { Tpm } from '../domain/devices.ts';
import { DomctlError, messageOf } from '../errors.ts';
import { claimCharacter } from './hostdevs.ts';

/** The claim of the device that is passed through. Throws HOST_LACKS for one that is not there, or no socket of another's TPM. */
export async function claimTpm(tpm: Tpm | null): Promise<CharacterClaim[]> {
  if (tpm?.backend === 'passthrough') return [claimCharacter(tpm.path, `TPM ${tpm.path}`, null)];
  if (tpm?.backend !== 'external') return [];
  await access(tpm.socket).catch((error: unknown) => {
    throw new DomctlError('HOST_LACKS', `${tpm.socket} (<tpm><backend><source>) is not there: ${messageOf(error)}`, {
      hint: 'start the TPM that listens there first, e.g. swtpm socket --ctrl type=unixio,path=..',
      details: { path: tpm.socket },
    });
  });
  return [];
}

/** Of a device that is passed through: itself, and the file by which a command is cancelled. None for another TPM. */
export async function openTpm(tpm: Tpm | null): Promise<AsyncDisposable & { readonly fds: readonly number[] }> {
  const files: FileHandle[] = [];
  const closeAll = async (): Promise<void> => {
    for (const file of files) await file.close();
  };
  try {
    if (tpm?.backend === 'passthrough') {
      files.push(await open(tpm.path, 'r+'));
      files.push(await open(await cancelFile(tpm.path), constants.O_WRONLY));
    }
  } catch (error) {
    await closeAll();
    throw new DomctlError('HOST_LACKS', `${tpm?.backend === 'passthrough' ? tpm.path : 'TPM'}: ${messageOf(error)}`, {
      hint: 'a TPM is of one program at a time: fuser shows whose it is',
      cause: error,
    });
  }
  return { fds: files.map(({ fd }) => fd), [Symbol.asyncDispose]: closeAll };
}

/** Kernels had it in two places; where there is none, as for TPM 2.0, nothing can be cancelled. */
async function cancelFile(device: string): Promise<string> {
  const name = basename(device);
  for (const path of [`/sys/class/tpm/${name}/device/cancel`, `/sys/class/misc/${name}/device/cancel`]) {
    const isThere = await access(path, constants.W_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return '/dev/null';
}
