/** Where systemd runs and domctl's units are installed, it is systemd that starts the daemon of the default places. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { isErrno } from '../errors.ts';
import { findPlaces, type Places } from '../places.ts';

const run = promisify(execFile);
const service = 'domctld.service';
/** Long enough for the recovery of many incarnations. */
const startDeadlineMs = 120_000;

/** Where to look; tests look elsewhere. */
export interface SystemdHost {
  /** There only where systemd is the init (sd_booted(3)). */
  readonly booted: string;
  readonly unitDirs: readonly string[];
}

const thisHost: SystemdHost = {
  booted: '/run/systemd/system',
  unitDirs: [
    '/etc/systemd/system',
    '/run/systemd/system',
    '/usr/local/lib/systemd/system',
    '/usr/lib/systemd/system',
    '/lib/systemd/system',
  ],
};

/** Whether the daemon of these places is systemd's to start. Places that were moved are nobody's but the mover's. */
export function isManagedBySystemd(places: Places, host: SystemdHost = thisHost): boolean {
  if (process.getuid?.() !== 0 || !existsSync(host.booted)) return false;
  const usual = findPlaces({});
  const keys = Object.keys(usual) as (keyof Places)[];
  return keys.every((key) => places[key] === usual[key]) && host.unitDirs.some((dir) => existsSync(join(dir, service)));
}

/**
 * Starts the unit and waits until it is ready. A host that shuts down starts nothing more, unless told to look at this unit
 * alone: the machines must be asked to end. What keeps the unit from starting is for its log, and for whoever starts it next.
 */
export async function startService(): Promise<void> {
  for (const mode of ['replace', 'ignore-dependencies']) {
    const started = run('systemctl', ['start', `--job-mode=${mode}`, service], { timeout: startDeadlineMs });
    if (await started.then(() => true).catch(() => false)) return;
  }
}

/**
 * Whether a daemon has the state directory, told without asking it: connecting to a socket that systemd listens on would
 * start one. By its lock in /proc/locks, whose lines end in `MAJOR:MINOR:INODE START END`.
 */
export function isDaemonAlive(places: Places): boolean {
  try {
    const { ino } = statSync(join(places.stateDir, 'domctld.lock'));
    return new RegExp(`OFDLCK .*:${ino} `).test(readFileSync('/proc/locks', 'utf8'));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR')) return false;
    throw error;
  }
}
