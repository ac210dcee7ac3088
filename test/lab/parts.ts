/**
 * What labs are made of and the host has not: kernels with their modules, the tools that load them, virtiofsd, and our agent.
 * Fetched from the host's own repository once, newest of each, unpacked into the cache, never installed. Owns the layout:
 * `<cache>/lab/{release,virtiofsd,vmlinuz,root/usr/...}`, `<cache>/lab-user-mode/{machine,root}/usr/...`, `<cache>/lab-agent-<hash>`.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Apt, fetchInto, openApt, readRelease } from '../setup/apt.ts';
import { cacheDirectory, keepCached } from '../setup/cache.ts';

const run = promisify(execFile);

export interface LabParts {
  /** Holds `root`, with the kernel's modules and kmod; at the same path inside the lab. */
  readonly directory: string;
  readonly agent: string;
}

export interface EmulatedParts extends LabParts {
  readonly kernel: string;
  readonly virtiofsd: string;
}

export interface UserModeParts extends LabParts {
  /** The root directory of user-mode Linux itself, a program with a C library of its own: `/usr/bin/linux.uml` in it. */
  readonly machine: string;
}

/** Fetches, unpacks and builds what is not there yet. Throws when the repository or the compiler is out of reach. */
export async function emulatedParts(): Promise<EmulatedParts> {
  const directory = await keepCached('lab', fillEmulated);
  const virtiofsd = await readFile(join(directory, 'virtiofsd'), 'utf8');
  return {
    directory,
    agent: await buildAgent(),
    kernel: join(directory, 'vmlinuz'),
    virtiofsd: join(directory, virtiofsd),
  };
}

/** Likewise, of user-mode Linux. */
export async function userModeParts(): Promise<UserModeParts> {
  const directory = await keepCached('lab-user-mode', fillUserMode);
  return { directory, agent: await buildAgent(), machine: join(directory, 'machine') };
}

/** From Debian's next release where the repository has it: since 6.16 its programs need no tracer, which halves what they cost. */
async function fillUserMode(next: string, work: string): Promise<void> {
  const release = await readRelease();
  const apt = await openApt(work, [release, `${release}-backports`, 'testing']);
  const [machine, root] = [join(next, 'machine'), join(next, 'root')];
  await fetchMerged(apt, ['user-mode-linux', 'libc6'], join(work, 'machine'), machine);
  for (const name of ['dev', 'proc', 'host']) await mkdir(join(machine, name));
  await linkAsBefore(machine);
  await symlink('usr/lib64', join(machine, 'lib64'));
  await fetchMerged(apt, [`kmod/${release}`, `libkmod2/${release}`], join(work, 'root'), root);
  await rename(join(machine, 'usr/lib/uml/modules'), join(root, 'usr/lib/modules'));
  await linkAsBefore(root);
}

async function fillEmulated(next: string, work: string): Promise<void> {
  const release = await readRelease();
  const apt = await openApt(work, [release, `${release}-backports`]);
  const kernel = await newestKernel(apt, work);
  const virtiofsd = await offers(apt, 'virtiofsd');
  const packages = [kernel, 'kmod', 'libkmod2', virtiofsd ? 'virtiofsd' : `qemu-system-common/${release}`];
  const root = join(next, 'root');
  await fetchMerged(apt, packages, join(work, 'debs'), root);
  await rename(await onlyFile(join(root, 'boot'), 'vmlinuz-'), join(next, 'vmlinuz'));
  const modules = await onlyFile(join(root, 'usr/lib/modules'), '');
  const version = modules.slice(modules.lastIndexOf('/') + 1);
  await indexModules(root, version);
  await writeFile(join(next, 'virtiofsd'), virtiofsd ? 'root/usr/libexec/virtiofsd' : 'root/usr/lib/qemu/virtiofsd');
  await writeFile(join(next, 'release'), version);
}

/** Debian's cloud kernel has all that a lab needs built in or as a module; its metapackage names the newest. */
async function newestKernel(apt: Apt, work: string): Promise<string> {
  const records = (await apt('apt-cache', ['show', 'linux-image-cloud-amd64'], work)).split('\n\n');
  const offered = records.flatMap((record) => {
    const version = /^Version: (\S+)$/m.exec(record)?.[1];
    const image = /^Depends:.*?\b(linux-image-\S+)/m.exec(record)?.[1];
    return version !== undefined && image !== undefined ? [{ version, image }] : [];
  });
  let newest = offered[0];
  if (!newest) throw new Error("the host's repository offers no linux-image-cloud-amd64, or is out of reach");
  for (const each of offered) if (await isNewer(each.version, newest.version)) newest = each;
  return newest.image;
}

async function isNewer(a: string, b: string): Promise<boolean> {
  return run('dpkg', ['--compare-versions', a, 'gt', b]).then(
    () => true,
    () => false,
  );
}

async function offers(apt: Apt, name: string): Promise<boolean> {
  return (await apt('apt-cache', ['madison', name])).trim() !== '';
}

/** As `fetchInto`, with all of it in /usr. */
export async function fetchMerged(...[apt, names, debs, root]: Parameters<typeof fetchInto>): Promise<void> {
  await fetchInto(apt, names, debs, root);
  await mergeUsr(root);
}

/** Older packages have /bin, /sbin and /lib, which Debian keeps in /usr. */
async function mergeUsr(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    if (!/^(bin|sbin|lib|lib64)$/.test(name)) continue;
    await cp(join(root, name), join(root, 'usr', name), { recursive: true, verbatimSymlinks: true });
    await rm(join(root, name), { recursive: true });
  }
}

async function onlyFile(directory: string, start: string): Promise<string> {
  const found = (await readdir(directory)).filter((name) => name.startsWith(start));
  if (found.length !== 1) throw new Error(`${directory}: ${found.length} files ${start}*, expected one`);
  return join(directory, found[0]!);
}

/** The kernel's tools, and the loader, look below /lib. */
async function linkAsBefore(root: string): Promise<void> {
  await symlink('usr/lib', join(root, 'lib'));
}

/** What depends on what: written at installation, and we install nothing. */
async function indexModules(root: string, release: string): Promise<void> {
  const libraries = (await readdir(join(root, 'usr/lib'))).filter((name) => name.endsWith('-linux-gnu'));
  const env = { ...process.env, LD_LIBRARY_PATH: libraries.map((name) => join(root, 'usr/lib', name)).join(':') };
  await linkAsBefore(root);
  // By the name depmod, whichever way the package's own link points.
  await symlink('usr/bin/kmod', join(root, 'depmod'));
  await run(join(root, 'depmod'), ['-b', root, release], { env });
}

/** PID 1 of a lab, static: there is no loader's library path to care for. By its source's hash: it changes with the checkout. */
async function buildAgent(): Promise<string> {
  const cache = await cacheDirectory();
  const source = fileURLToPath(new URL('agent.c', import.meta.url));
  const hash = createHash('sha256')
    .update(await readFile(source))
    .digest('hex')
    .slice(0, 12);
  const agent = join(cache, `lab-agent-${hash}`);
  if (existsSync(agent)) return agent;
  const work = await mkdtemp(join(cache, 'fetch-'));
  try {
    await run('cc', ['-static', '-O2', '-Wall', '-Wextra', '-Werror', '-o', join(work, 'agent'), source]);
    await rename(join(work, 'agent'), agent);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return agent;
}
