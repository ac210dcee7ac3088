/** The QEMU and libvirt that are measured: fetched and unpacked into the tests' cache, never installed. */
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fetchInto, openApt, readRelease } from '../../setup/apt.ts';
import { findOrTell, keepCached } from '../../setup/cache.ts';
import { findQemus } from '../../setup/qemus.ts';

const names = [
  'libvirt-daemon',
  'libvirt-daemon-driver-qemu',
  'libvirt-daemon-common',
  'libvirt-daemon-log',
  'libvirt-clients',
  'libvirt-common',
  'libvirt0',
];
/** What they need and a small host has not. */
const libraries = ['libssh-4', 'libxml2'];

export interface Packages {
  /** Trees to lay over the host's own, the uppermost first. */
  readonly roots: readonly string[];
  /** Why there is no libvirt, or null. */
  readonly noLibvirt: string | null;
}

/** Throws when no QEMU 10 can be had: libvirt's async teardown needs 8.1. */
export async function findPackages(): Promise<Packages> {
  const qemu = (await findQemus()).find(({ label }) => label === '10')!;
  if (qemu.emulator === null) throw new Error(qemu.skipReason ?? 'no QEMU 10');
  const own = qemu.emulator.startsWith('/usr/') ? [] : [join(dirname(qemu.emulator), 'root')];
  const libvirt = await findOrTell('libvirt', fetchLibvirt);
  return { roots: [...(libvirt.found ? [libvirt.found] : []), ...own], noLibvirt: libvirt.skipReason };
}

async function fetchLibvirt(): Promise<string> {
  const home = await keepCached('libvirt-11', async (next, work) => {
    const release = await readRelease();
    const apt = await openApt(work, [release, `${release}-backports`]);
    const debs = join(work, 'debs');
    const wanted = [...names.map((name) => `${name}/${release}-backports`), ...libraries];
    await fetchInto(apt, wanted, debs, join(next, 'root')).catch(async () => {
      await fetchInto(apt, [...names, ...libraries], `${debs}-own`, join(next, 'root'));
    });
    await writeFile(join(next, 'release'), release);
  });
  await readFile(join(home, 'release'));
  return join(home, 'root');
}
