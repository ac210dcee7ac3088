/**
 * Packages of the host's own repository, fetched and unpacked with apt's own tools and private apt state: nothing is
 * installed, apt's configuration and lists stay as they are. Owns how apt is driven; must not know what is wanted of it.
 */
import { execFile } from 'node:child_process';
import { access, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Runs a tool of apt on the private state, and gives what it printed. */
export type Apt = (tool: 'apt-get' | 'apt-cache', args: string[], cwd?: string) => Promise<string>;

/** The host's release, e.g. `bookworm`. */
export async function readRelease(): Promise<string> {
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  if (release === undefined) throw new Error('/etc/os-release names no release');
  return release;
}

/** State in `work`, with the lists of these suites, fresh where the network allows. */
export async function openApt(work: string, suites: readonly string[]): Promise<Apt> {
  const apt = await privateApt(work, suites);
  await apt('apt-get', ['-o', 'Acquire::Languages=none', 'update']).catch(() => undefined);
  return apt;
}

async function privateApt(work: string, suites: readonly string[]): Promise<Apt> {
  const { stdout } = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)']);
  const uri = stdout.split('\n').find((line) => line !== '' && !line.includes('security'));
  if (uri === undefined) throw new Error('this host has no package repository');
  const signed = await access(keyring).then(
    () => `[signed-by=${keyring}] `,
    () => '',
  );
  const sources = path.join(work, 'sources.list');
  await writeFile(sources, suites.map((suite) => `deb ${signed}${uri} ${suite} main\n`).join(''));
  await mkdir(path.join(work, 'lists', 'partial'), { recursive: true });
  await mkdir(path.join(work, 'archives', 'partial'), { recursive: true });
  const options = aptOptions(work, sources);
  const env = { ...process.env, LC_ALL: 'C' };
  return async (tool, args, cwd = work) => {
    return (await run(tool, [...options, ...args], { cwd, env, timeout: 300_000 })).stdout;
  };
}

function aptOptions(work: string, sources: string): string[] {
  const settings = {
    'Dir::Etc::SourceList': sources,
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': path.join(work, 'lists'),
    'Dir::Cache': work,
    'APT::Sandbox::User': 'root',
    'Acquire::Retries': '1',
    'Acquire::http::Timeout': '15',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** Fetches into `debs` and unpacks below `root`; `names` as `apt-get download` takes them, options included. */
export async function fetchInto(apt: Apt, names: readonly string[], debs: string, root: string): Promise<void> {
  await mkdir(debs, { recursive: true });
  await apt('apt-get', ['download', ...names], debs);
  for (const deb of await readdir(debs)) await run('dpkg-deb', ['-x', path.join(debs, deb), root]);
}
