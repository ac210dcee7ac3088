/** What a guest is made of or with, in one word: another word, another guest. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Of these files and directories beside this one, with their executable bits, and of the Debian packages come from. */
export async function fingerprint(names: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(await readFile('/etc/debian_version'));
  for (const file of (await Promise.all(names.map(filesBelow))).flat()) {
    const { mode } = await stat(path.join(here, file));
    hash.update(`\0${file}\0${mode & 0o111}\0`).update(await readFile(path.join(here, file)));
  }
  return hash.digest('hex').slice(0, 16);
}

async function filesBelow(name: string): Promise<string[]> {
  if (!(await stat(path.join(here, name))).isDirectory()) return [name];
  const entries = await readdir(path.join(here, name), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map((entry) => path.relative(here, path.join(entry.parentPath, entry.name))).sort();
}
