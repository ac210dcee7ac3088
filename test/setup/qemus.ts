/**
 * The QEMUs that tests run against: generations 7 and 10. The one the host has is used as it is; the other is fetched
 * from the host's own package repository and unpacked into a cache, never installed, apt's configuration untouched.
 * Owns what is in `<cache>/qemu-<label>/`: `{qemu-system-x86_64,version,root/}`.
 */
import { execFile } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { findOrTell, keepCached } from './cache.ts';
import { downloadQemu } from './qemu-download.ts';

const run = promisify(execFile);

interface Generation {
  readonly label: '7.2' | '10';
  readonly major: 7 | 10;
}

const generations: readonly Generation[] = [
  { label: '7.2', major: 7 },
  { label: '10', major: 10 },
];

/** One generation of QEMU, or why there is none here. */
export interface TestQemu {
  readonly label: Generation['label'];
  /** E.g. `10.0.2`; null when there is none. */
  readonly version: string | null;
  /** Path to run, executable by any user; null when there is none. */
  readonly emulator: string | null;
  readonly skipReason: string | null;
}

let found: Promise<TestQemu[]> | null = null;

/** Both generations, each with an emulator or a reason to skip. Quick once the cache is filled; callers may overlap. */
export function findQemus(): Promise<TestQemu[]> {
  found ??= find();
  return found;
}

async function find(): Promise<TestQemu[]> {
  const installed = await installedQemu();
  return Promise.all(
    generations.map(async ({ label, major }): Promise<TestQemu> => {
      if (installed && majorOf(installed.version) === major) return { label, ...installed, skipReason: null };
      const { found: unpacked, skipReason } = await findOrTell(`QEMU ${label}`, () => unpackedQemu({ label, major }));
      return unpacked ? { label, ...unpacked, skipReason } : { label, version: null, emulator: null, skipReason };
    }),
  );
}

interface Found {
  readonly emulator: string;
  readonly version: string;
}

async function installedQemu(): Promise<Found | null> {
  for (const directory of (process.env['PATH'] ?? '').split(':')) {
    const emulator = path.join(directory, 'qemu-system-x86_64');
    const version = await versionOf(emulator).catch(() => null);
    if (version) return { emulator, version };
  }
  return null;
}

async function versionOf(emulator: string): Promise<string> {
  const { stdout } = await run(emulator, ['--version'], { timeout: 10_000 });
  const version = /version (\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`${emulator} tells no version`);
  return version;
}

function majorOf(version: string): number {
  return Number(version.split('.')[0]);
}

async function unpackedQemu(generation: Generation): Promise<Found> {
  const home = await keepCached(`qemu-${generation.label}`, (next, work) => fill(next, work, generation));
  const version = await readFile(path.join(home, 'version'), 'utf8').catch(() => null);
  if (version === null) throw new Error(`${home} is damaged; remove it`);
  return { emulator: path.join(home, 'qemu-system-x86_64'), version };
}

async function fill(next: string, work: string, { major }: Generation): Promise<void> {
  const libraries = await downloadQemu({ major, work, root: path.join(next, 'root') });
  await writeWrapper(path.join(next, 'qemu-system-x86_64'), libraries);
  await writeFile(path.join(next, 'version'), await versionOf(path.join(next, 'qemu-system-x86_64')));
}

/** Everything is found from the script's own place, so that the directory can be moved. */
async function writeWrapper(file: string, libraries: boolean): Promise<void> {
  const library = ['export LD_LIBRARY_PATH="$usr/lib/x86_64-linux-gnu"'];
  const lines = [
    '#!/bin/sh',
    'usr="${0%/*}/root/usr"',
    'export QEMU_MODULE_DIR="$usr/lib/x86_64-linux-gnu/qemu"',
    ...(libraries ? library : []),
    'exec "$usr/bin/qemu-system-x86_64" \\',
    '  -L "$usr/share/qemu" -L "$usr/share/seabios" -L "$usr/lib/ipxe/qemu" "$@"',
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  await chmod(file, 0o755);
}
