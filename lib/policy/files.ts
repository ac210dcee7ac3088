/**
 * Where policy files are, and their text.
 * Owns: the two directories, what counts as a policy file's name, reading within bounds. Must not know: what is in them.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DomctlError, isErrno } from '../errors.ts';
import { isPolicyName } from './fields.ts';
import { invalidPolicy } from './problem.ts';
import { requireTrusted } from './trust.ts';

/** The directories that hold configuration. */
export interface Places {
  /** The operator's, with `host.yaml` and `policies/`; may be absent. */
  readonly configDir: string;
  /** The one that comes with domctl, with all files side by side. */
  readonly shippedDir: string;
}

/** A policy that can be named, and the file that defines it. */
export interface PolicyEntry {
  readonly name: string;
  readonly file: string;
  readonly from: 'operator' | 'shipped';
}

/** Larger files are refused. */
const largestFileBytes = 64 * 1024;

const hostName = 'host';

/** The files that may configure the host: the operator's and the shipped one. */
export function hostFiles(places: Places): { readonly operator: string; readonly shipped: string } {
  return { operator: join(places.configDir, 'host.yaml'), shipped: join(places.shippedDir, 'host.yaml') };
}

/** The files that may define a policy, the one that counts first. `name` must be a policy name. */
export function policyFiles(name: string, places: Places): readonly string[] {
  const operator = join(places.configDir, 'policies', `${name}.yaml`);
  return name === hostName ? [operator] : [operator, join(places.shippedDir, `${name}.yaml`)];
}

/** Every policy that can be named, by name; an operator's file hides the shipped one. */
export async function listPolicies(places: Places): Promise<readonly PolicyEntry[]> {
  const operatorDir = join(places.configDir, 'policies');
  const shipped = (await namesIn(places.shippedDir)).filter((name) => name !== hostName);
  const entries = new Map<string, PolicyEntry>();
  for (const name of shipped)
    entries.set(name, { name, file: join(places.shippedDir, `${name}.yaml`), from: 'shipped' });
  for (const name of await namesIn(operatorDir))
    entries.set(name, { name, file: join(operatorDir, `${name}.yaml`), from: 'operator' });
  return [...entries.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * The text of a file, or null when there is none; INVALID_POLICY when it cannot be read, is too large or not UTF-8. counts:
 * what it says is done, so that it must be nobody's but root's and ours to write.
 */
export async function readIfPresent(file: string, { counts }: { readonly counts: boolean }): Promise<string | null> {
  const handle = await openIfPresent(file);
  if (handle === null) return null;
  try {
    if (counts) {
      requireTrusted(file, await handle.stat());
      requireTrusted(dirname(file), await stat(dirname(file)));
    }
    return decode(await readBounded(handle, file), file);
  } catch (error) {
    throw error instanceof DomctlError ? error : unreadable(file, error);
  } finally {
    await handle.close();
  }
}

/** Without O_NONBLOCK a fifo in a file's place would hold up every decision. */
async function openIfPresent(file: string): Promise<FileHandle | null> {
  try {
    return await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT') && !(await isThere(file))) return null;
    throw unreadable(file, error);
  }
}

/** A link whose target is gone is no absent file: falling back to the shipped one would change rules silently. */
async function isThere(file: string): Promise<boolean> {
  return await lstat(file).then(
    () => true,
    () => false,
  );
}

async function readBounded(handle: FileHandle, file: string): Promise<Buffer> {
  if (!(await handle.stat()).isFile()) throw invalidPolicy({ file, what: 'is not a regular file' });
  const buffer = Buffer.alloc(largestFileBytes + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
    length += bytesRead;
    if (length > largestFileBytes) throw invalidPolicy({ file, what: 'is larger than 64 KiB' });
    if (bytesRead === 0) return buffer.subarray(0, length);
  }
}

function decode(bytes: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalidPolicy({ file, what: 'is not UTF-8 text', cause });
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    const names = (await readdir(directory)).filter((name) => name.endsWith('.yaml'));
    return names.map((name) => name.slice(0, -'.yaml'.length)).filter(isPolicyName);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw unreadable(directory, error);
  }
}

function unreadable(file: string, cause: unknown): DomctlError {
  const reason = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  return invalidPolicy({ file, what: `cannot be read: ${reason}`, hint: 'check its permissions and type', cause });
}
