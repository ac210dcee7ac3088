/**
 * Debian packages of the host's own repository, downloaded and unpacked, never installed. Owns how they are got; must not
 * know what they are for.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

/** Runs a program to its end. Throws with its last words when it fails. */
export const run = promisify(execFile);

const inEnglish = { ...process.env, LC_ALL: 'C' };

/** What a metapackage such as `linux-image-amd64` stands for now. */
export async function packageBehind(meta: string): Promise<string> {
  const { stdout } = await run('apt-cache', ['depends', '--important', meta], { env: inEnglish });
  const name = /^ *Depends: (\S+)$/m.exec(stdout)?.[1];
  if (name === undefined) throw new Error(`the host's repository knows no ${meta}`);
  return name;
}

/** Unpacks the newest of each package below `root`; `work` is for what is needed on the way. */
export async function unpackPackages(names: readonly string[], root: string, work: string): Promise<void> {
  const debs = await mkdtemp(path.join(work, 'debs-'));
  await run('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', ...names], { cwd: debs, timeout: 300_000 });
  await mkdir(root, { recursive: true });
  for (const deb of await readdir(debs)) await run('dpkg-deb', ['-x', path.join(debs, deb), root]);
}

/** The files that the loader maps for a program, its own libraries and the loader itself, where the host has them. */
export async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program], { env: inEnglish });
  const missing = /^\s*(\S+) => not found$/m.exec(stdout)?.[1];
  if (missing !== undefined) throw new Error(`${path.basename(program)} needs ${missing}, which the host has not`);
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, file]) => file!);
}

/** Modules of newer releases are packed, which neither our depmod nor our modprobe reads. */
export async function unpackModules(root: string): Promise<void> {
  const files = (await readdir(root, { recursive: true })).filter((file) => file.endsWith('.ko.xz'));
  for (const file of files) await run('xz', ['-d', path.join(root, file)]);
}
