/**
 * Fetches and unpacks a QEMU of another generation than the host's, with apt's own tools and private apt state.
 * Owns which packages and suites; must not know the cache.
 */
import { execFile } from 'node:child_process';
import { access, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** Of one version, from one suite. */
const emulatorPackages = ['qemu-system-x86', 'qemu-system-common', 'qemu-system-data'];
/** BIOS and network boot ROMs, which differ little and come from the host's release. */
const firmwarePackages = ['seabios', 'ipxe-qemu'];
/** Releases whose own QEMU is of a generation, for hosts that are newer. */
const homes: Readonly<Record<number, readonly string[]>> = { 7: ['bookworm'], 10: ['trixie'] };

interface Download {
  readonly major: number;
  /** An empty directory for whatever is needed on the way. */
  readonly work: string;
  /** Where the packages' trees are unpacked. */
  readonly root: string;
}

/** Unpacks QEMU of that major version below `root`. Gives true when libraries had to come along. */
export async function downloadQemu({ major, work, root }: Download): Promise<boolean> {
  const apt = await privateApt(work, await suitesFor(major));
  await apt('apt-get', ['-o', 'Acquire::Languages=none', 'update']).catch(() => undefined);
  const suite = await suiteOffering(apt, major);
  const names = [...emulatorPackages.map((name) => `${name}/${suite}`), ...firmwarePackages];
  await fetchInto(apt, names, path.join(work, 'debs'), root);
  return addMissingLibraries(apt, { work, root, suite });
}

/** Runs a tool of apt on the private state, and gives what it printed. */
type Apt = (tool: 'apt-get' | 'apt-cache', args: string[], cwd?: string) => Promise<string>;

async function suitesFor(major: number): Promise<string[]> {
  const release = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  if (release === undefined) throw new Error('/etc/os-release names no release');
  const own = [release, `${release}-backports`];
  // Only an older release is added: a binary of a newer one wants a newer C library than this host's.
  const older = release === 'bookworm' ? [] : (homes[major] ?? []);
  return [...new Set([...own, ...older])];
}

async function privateApt(work: string, suites: string[]): Promise<Apt> {
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

/** A line of madison: ` qemu-system-x86 | 1:10.0.2+ds-2 | URI SUITE/main amd64 Packages`. */
async function suiteOffering(apt: Apt, major: number): Promise<string> {
  const offers = (await apt('apt-cache', ['madison', 'qemu-system-x86'])).split('\n');
  const offer = offers.map((line) => line.split('|')).find(([, version]) => version?.trim().startsWith(`1:${major}.`));
  const suite = offer?.[2]?.trim().split(' ')[1]?.split('/')[0];
  if (suite === undefined) throw new Error(`the host's repository offers no QEMU ${major}, or is out of reach`);
  return suite;
}

/** `names` as `apt-get download` takes them, options included. */
async function fetchInto(apt: Apt, names: string[], debs: string, root: string): Promise<void> {
  await mkdir(debs, { recursive: true });
  await apt('apt-get', ['download', ...names], debs);
  for (const deb of await readdir(debs)) await run('dpkg-deb', ['-x', path.join(debs, deb), root]);
}

/** What the emulator depends on and the host has not, when the loader misses something. */
async function addMissingLibraries(
  apt: Apt,
  { work, root, suite }: { work: string; root: string; suite: string },
): Promise<boolean> {
  const { stdout } = await run('ldd', [path.join(root, 'usr/bin/qemu-system-x86_64')]);
  if (!stdout.includes('=> not found')) return false;
  const debs = path.join(work, 'debs');
  const emulator = (await readdir(debs)).find((deb) => deb.startsWith('qemu-system-x86_'));
  const depends = (await run('dpkg-deb', ['-f', path.join(debs, emulator ?? ''), 'Depends'])).stdout;
  const names = depends.split(/[,|]/).flatMap((each) => /^\s*(lib[a-z0-9.+-]+)/.exec(each)?.[1] ?? []);
  const lacking = await filterLacking(names);
  await fetchInto(apt, ['-t', suite, ...lacking], path.join(work, 'libraries'), root);
  return true;
}

async function filterLacking(names: string[]): Promise<string[]> {
  const checks = names.map(async (name) => {
    const installed = await run('dpkg-query', ['-W', '-f', '${db:Status-Status}', name]).catch(() => null);
    return installed?.stdout === 'installed' ? [] : [name];
  });
  return (await Promise.all(checks)).flat();
}
