/** Where what tests download is kept between runs. */
import { chmod, lstat, mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

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
