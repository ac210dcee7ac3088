/**
 * Who has a file open or mapped: names the holder of an image or of guest memory. It names, it never proves.
 * Looks through /proc in slices, so that no question waits for it.
 */
import { readFileSync, statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { allProcesses, cgroupOf, openFiles, readProcess, unlessGone } from '../host/processes.ts';

export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
}

const processesPerSlice = 32;

/**
 * The first process that has one of `files` open or mapped, as `name (pid 812)`; null when none could be seen. The maps of
 * processes in the cgroup `dying` are not read: that takes the lock their free needs.
 */
export async function findHolder(files: readonly FileIdentity[], dying: string): Promise<string | null> {
  if (files.length === 0) return null;
  for (const [index, pid] of allProcesses().entries()) {
    if (index % processesPerSlice === 0) await setImmediate();
    if (pid === process.pid) continue;
    if (hasOpen(pid, files) || (cgroupOf(pid) !== dying && hasMapped(pid, files)))
      return `${readProcess(pid)?.name ?? 'a process'} (pid ${pid})`;
  }
  return null;
}

/**
 * A descriptor's inode is told by its fdinfo, which no file system can delay; only what has the right one is asked for its
 * device, too: a stat of any file of any process could hang on a dead server.
 */
function hasOpen(pid: number, files: readonly FileIdentity[]): boolean {
  return openFiles(pid).some(({ path }) => {
    const info = unlessGone(() => readFileSync(path.replace('/fd/', '/fdinfo/'), 'utf8'));
    const inode = Number(/^ino:\s+(\d+)$/m.exec(info ?? '')?.[1] ?? Number.NaN);
    const alike = files.filter((file) => file.inode === inode);
    const stats = alike.length === 0 ? null : unlessGone(() => statSync(path));
    return stats !== null && alike.some((file) => file.device === stats.dev);
  });
}

/** A mapping outlives its descriptor; /proc/PID/maps shows `device inode` of each (proc(5)). */
function hasMapped(pid: number, files: readonly FileIdentity[]): boolean {
  const maps = unlessGone(() => readFileSync(`/proc/${pid}/maps`, 'utf8'));
  return maps !== null && files.some((file) => maps.includes(` ${mapsDevice(file.device)} ${file.inode} `));
}

/** A device number as maps writes it: `major:minor` in hexadecimal, two digits at least. */
export function mapsDevice(device: number): string {
  const major = Math.floor(device / 256) % 4096;
  const minor = (device % 256) + Math.floor(device / 1048576) * 256;
  return [major, minor].map((part) => part.toString(16).padStart(2, '0')).join(':');
}
