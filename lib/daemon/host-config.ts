/**
 * The host's configuration as its files say it now. Read at every decision, parsed again only when one of them has changed: a
 * question through the socket must not cost whoever asks nothing a parse of two files.
 */
import { stat } from 'node:fs/promises';
import { isErrno } from '../errors.ts';
import { packageDir, type Places } from '../places.ts';
import { hostFiles } from '../policy/files.ts';
import { loadHostConfig } from '../policy/load.ts';
import type { HostConfig, Loaded } from '../policy/types.ts';

/** Where the operator's policies are, and ours. */
export function policyPlaces({ configDir }: Pick<Places, 'configDir'>): { configDir: string; shippedDir: string } {
  return { configDir, shippedDir: `${packageDir()}/policies` };
}

const remembered = new Map<string, { readonly signature: string; readonly loaded: Loaded<HostConfig> }>();

/** Throws INVALID_POLICY naming what is wrong where. */
export async function readHostConfig(places: Pick<Places, 'configDir'>): Promise<Loaded<HostConfig>> {
  const found = policyPlaces(places);
  const { operator, shipped } = hostFiles(found);
  // Before it is read: what changes in between is seen the next time.
  const signature = (await Promise.all([places.configDir, operator, shipped].map(signatureOf))).join(' ');
  const known = remembered.get(operator);
  if (known?.signature === signature) return known.loaded;
  const loaded = await loadHostConfig(found);
  remembered.set(operator, { signature, loaded });
  return loaded;
}

/** Changes whenever the file, whose it is or who may write it does; `-`: it is not there. */
async function signatureOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(':');
  } catch (error) {
    return isErrno(error, 'ENOENT') ? '-' : String(error);
  }
}
