/** A domain's UEFI variables on disk: where they are, and whether they exist. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Domain } from '../domain/definition.ts';
import { escapeName } from '../domain/names.ts';
import { isErrno } from '../errors.ts';

/** Path of the variables: as defined, else `nvram/NAME_VARS.fd` in the state directory. */
export function nvramPath(domain: Domain, stateDir: string): string {
  return domain.os.nvram?.path ?? join(stateDir, 'nvram', `${escapeName(domain.name)}_VARS.fd`);
}

/** That path if there is a file of a domain that has such variables; null otherwise. */
export async function existingNvram(domain: Domain, stateDir: string): Promise<string | null> {
  const hasVariables = domain.os.firmware === 'efi' || domain.os.loader?.type === 'pflash';
  if (!hasVariables) return null;
  const path = nvramPath(domain, stateDir);
  try {
    await access(path);
    return path;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return null;
    throw error;
  }
}
