/**
 * What tests download or build once: directories that are filled aside and moved into place when complete, so that one
 * that is there is whole. Owns where they are; must not know what they hold.
 */
import { access, chmod, lstat, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Something that tests need, or why it cannot be had here. */
export type Found<Thing> =
  | { readonly found: Thing; readonly skipReason: null }
  | { readonly found: null; readonly skipReason: string };

/** What `find` gives; when it throws, the last line of that, after `what`. */
export async function findOrTell<Thing>(what: string, find: () => Promise<Thing>): Promise<Found<Thing>> {
  try {
    return { found: await find(), skipReason: null };
  } catch (error) {
    return { found: null, skipReason: `no ${what}: ${lastLine(error)}` };
  }
}

/**
 * The directory `name` of the cache, filled by `fill` when it is not there. `fill` gets the directory to fill, readable
 * for everybody, and one for whatever is needed on the way. A failure is remembered for five minutes.
 */
export async function keepCached(name: string, fill: (next: string, work: string) => Promise<void>): Promise<string> {
  const cache = await cacheDirectory();
  const home = path.join(cache, name);
  if (await isThere(home)) return home;
  const failure = path.join(cache, `${name}.failure`);
  await throwRecent(failure);
  try {
    await fillAside(cache, home, fill);
  } catch (error) {
    await writeFile(failure, lastLine(error));
    throw error;
  }
  return home;
}

async function fillAside(
  cache: string,
  home: string,
  fill: (next: string, work: string) => Promise<void>,
): Promise<void> {
  const work = await mkdtemp(path.join(cache, 'fetch-'));
  try {
    const next = path.join(work, 'home');
    await mkdir(next);
    await fill(next, work);
    await chmod(next, 0o755);
    await rename(next, home).catch(unlessThere);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function isThere(directory: string): Promise<boolean> {
  return access(directory).then(
    () => true,
    () => false,
  );
}

/** Somebody else was quicker, with the same content. */
function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
}

const failureHoldsMs = 5 * 60_000;

/** Without a network, each of many test files would wait for the same failure. */
async function throwRecent(failure: string): Promise<void> {
  const written = await stat(failure).catch(() => null);
  if (written && Date.now() - written.mtimeMs < failureHoldsMs) throw new Error(await readFile(failure, 'utf8'));
}

/** DOMCTL_TEST_CACHE, else `.cache` of the package, else, where other users cannot reach that, one in /var/tmp. */
export async function cacheDirectory(): Promise<string> {
  const chosen = process.env['DOMCTL_TEST_CACHE'];
  if (chosen) return reachable(path.resolve(chosen));
  const own = fileURLToPath(new URL('../../.cache', import.meta.url));
  return reachable(own).catch(async () => {
    return reachable(path.join('/var/tmp', `domctl-test-cache-${process.getuid?.()}`));
  });
}

/** The directory, made if need be. Throws unless only we can write it and everybody can read it: VMs are `nobody`. */
async function reachable(directory: string): Promise<string> {
  if (await mkdir(directory, { recursive: true })) await chmod(directory, 0o755);
  const { uid, mode } = await lstat(directory);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) throw new Error(`${directory} is not ours alone`);
  for (let each = directory; ; each = path.dirname(each)) {
    if (((await stat(each)).mode & 0o001) === 0) throw new Error(`other users cannot pass ${each}`);
    if (each === path.dirname(each)) return directory;
  }
}

function lastLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.trim().split('\n').at(-1) ?? message;
}
