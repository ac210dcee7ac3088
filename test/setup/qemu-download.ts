/**
 * Fetches and unpacks a QEMU of another generation than the host's, from the host's own repository.
 * Owns which packages and suites; must not know the cache.
 */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Apt, fetchInto, openApt, readRelease } from './apt.ts';

const run = promisify(execFile);

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
  const apt = await openApt(work, await suitesFor(major));
  const suite = await suiteOffering(apt, major);
  const names = [...emulatorPackages.map((name) => `${name}/${suite}`), ...firmwarePackages];
  await fetchInto(apt, names, path.join(work, 'debs'), root);
  return addMissingLibraries(apt, { work, root, suite });
}

async function suitesFor(major: number): Promise<string[]> {
  const release = await readRelease();
  const own = [release, `${release}-backports`];
  // Only an older release is added: a binary of a newer one wants a newer C library than this host's.
  const older = release === 'bookworm' ? [] : (homes[major] ?? []);
  return [...new Set([...own, ...older])];
}

/** A line of madison: ` qemu-system-x86 | 1:10.0.2+ds-2 | URI SUITE/main amd64 Packages`. */
async function suiteOffering(apt: Apt, major: number): Promise<string> {
  const offers = (await apt('apt-cache', ['madison', 'qemu-system-x86'])).split('\n');
  const offer = offers.map((line) => line.split('|')).find(([, version]) => version?.trim().startsWith(`1:${major}.`));
  const suite = offer?.[2]?.trim().split(' ')[1]?.split('/')[0];
  if (suite === undefined) throw new Error(`the host's repository offers no QEMU ${major}, or is out of reach`);
  return suite;
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
