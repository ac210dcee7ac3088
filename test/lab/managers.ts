/**
 * systemd for labs: the host's own, or what its repository has, unpacked into the cache and never installed. Owns where it
 * lies; must not know what is done with it.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openApt, readRelease } from '../setup/apt.ts';
import { findOrTell, type Found, keepCached } from '../setup/cache.ts';
import { fetchMerged } from './parts.ts';

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

const own = ['systemd', 'libsystemd-shared', 'libsystemd0'];

async function fetchSystemd(name: string, suffix: string): Promise<string> {
  return keepCached(name, async (next, work) => {
    const release = await readRelease();
    const suite = `${release}${suffix}`;
    const apt = await openApt(work, [...new Set([release, suite])]);
    const packages = own.map((each) => `${each}/${suite}`);
    const libraries = await missingLibraries(await apt('apt-cache', ['show', ...packages]));
    await fetchMerged(apt, [...packages, ...libraries], join(work, 'debs'), next);
    // Configuration is the lab's own.
    for (const each of ['etc', 'var', 'usr/share']) await rm(join(next, each), { recursive: true, force: true });
  });
}

/** What packages of these records are linked with, and the host has not. */
async function missingLibraries(records: string): Promise<string[]> {
  const lists = [...records.matchAll(/^(?:Pre-)?Depends: (.*)$/gm)].map(([, list]) => list ?? '');
  const names = lists.flatMap((list) => list.match(/(?<=^|, )lib[\w.+-]+/g) ?? []);
  const wanted = [...new Set(names)].filter((each) => !own.includes(each));
  const missing = await Promise.all(wanted.map(isMissing));
  return wanted.filter((_, index) => missing[index]);
}

async function isMissing(name: string): Promise<boolean> {
  return run('dpkg-query', ['--show', '--showformat=${db:Status-Status}\\n', name]).then(
    ({ stdout }) => !stdout.split('\n').includes('installed'),
    () => true,
  );
}
