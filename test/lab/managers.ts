/**
 * systemd for labs: the host's own, or what its repository has, unpacked into the cache and never installed. Owns where it
 * lies; must not know what is done with it.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fetchInto, openApt, readRelease } from '../setup/apt.ts';
import { findOrTell, type Found, keepCached } from '../setup/cache.ts';
import { mergeUsr } from './parts.ts';

const run = promisify(execFile);

/** For `systemd` of a lab's options: that of the host's release. */
export async function usualSystemd(): Promise<Found<string>> {
  if (existsSync('/usr/lib/systemd/systemd')) return { found: '/', skipReason: null };
  return findOrTell('systemd', () => fetchSystemd('lab-systemd', ''));
}

/** Likewise, the newest that is packaged for it: newer than the release's where there are backports. */
export async function newestSystemd(): Promise<Found<string>> {
  return findOrTell('newer systemd', async () => fetchSystemd('lab-systemd-newest', '-backports'));
}

async function fetchSystemd(name: string, suffix: string): Promise<string> {
  return keepCached(name, async (next, work) => {
    const release = await readRelease();
    const suite = `${release}${suffix}`;
    const apt = await openApt(work, [...new Set([release, suite])]);
    const own = ['systemd', 'libsystemd-shared', 'libsystemd0'].map((each) => `${each}/${suite}`);
    await fetchInto(apt, [...own, ...(await missingLibraries())], join(work, 'debs'), next);
    await mergeUsr(next);
    // Configuration is the lab's own.
    for (const each of ['etc', 'var', 'usr/share']) await rm(join(next, each), { recursive: true, force: true });
  });
}

/** What systemd 252 to 257 is linked with. */
const libraries = [
  ...[
    'libacl1',
    'libapparmor1',
    'libaudit1',
    'libblkid1',
    'libcap2',
    'libgcrypt20',
    'libip4tc2',
    'libkmod2',
    'liblz4-1',
  ],
  ...['libmount1', 'libpam0g', 'libseccomp2', 'libselinux1', 'libssl3', 'libzstd1'],
];

async function missingLibraries(): Promise<string[]> {
  const found = await Promise.all(
    libraries.map(async (name) =>
      run('dpkg-query', ['--show', '--showformat=${db:Status-Status}\\n', name]).then(
        ({ stdout }) => !stdout.split('\n').includes('installed'),
        () => true,
      ),
    ),
  );
  return libraries.filter((_, index) => found[index]);
}
