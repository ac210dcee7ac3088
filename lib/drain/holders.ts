/**
 * Who has a file open or mapped, a socket or a tap: names the holder of an image, of guest memory, of a port. It names,
 * it never proves. Looks through /proc in slices, so that no question waits for it.
 */
import { readFileSync, statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import {
  type BlockClaim,
  type CharacterClaim,
  type Claim,
  type FileClaim,
  isFileClaim,
  type PortClaim,
} from '../domain/claims.ts';
import { accountFor, allLocks, type FileLock, locksOf } from '../host/locks.ts';
import { socketsOn } from '../host/ports.ts';
import { allProcesses, isInCgroup, type OpenFile, openFiles, readProcess, unlessGone } from '../host/processes.ts';

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
  return findProcess((pid) => hasOpen(pid, files) || (!isInCgroup(pid, dying) && hasMapped(pid, files)));
}

/** The first process that has what is claimed, as `name (pid 812)`; null when none could be seen. */
export async function findClaimHolder(claim: Claim, dying: string): Promise<string | null> {
  if (isFileClaim(claim)) return findHolder([claim], dying);
  switch (claim.kind) {
    case 'block':
    case 'character':
      return findProcess((pid) => openNodes(pid, claim).length > 0);
    case 'cid':
      return null;
    case 'tap':
      return findProcess((pid) => hasTap(pid, claim.name));
    case 'port': {
      const targets = new Set([...socketsOn(claim)].map((inode) => `socket:[${inode}]`));
      return targets.size === 0 ? null : findProcess((pid) => openFiles(pid).some(({ target }) => targets.has(target)));
    }
  }
}

/**
 * Whether every socket on the port was seen in processes outside of the cgroup: then none of it is left there, and somebody
 * else has taken it. One that nobody could be seen to have may be that of a process on its way out: false.
 */
export async function isPortElsewhere(port: PortClaim, cgroup: string): Promise<boolean> {
  const unseen = new Set([...socketsOn(port)].map((inode) => `socket:[${inode}]`));
  if (unseen.size === 0) return false;
  const inside = await findProcess((pid) => {
    const own = openFiles(pid).filter(({ target }) => unseen.has(target));
    if (own.length > 0 && isInCgroup(pid, cgroup)) return true;
    for (const { target } of own) unseen.delete(target);
    return false;
  });
  return inside === null && unseen.size === 0;
}

/**
 * Whether all locks on these bytes of the image or device were seen to be of descriptors outside of the cgroup: then the
 * incarnation has none left, and somebody else has taken it. A lock that nobody is seen to have may be that of a file which
 * the kernel has yet to close for it (io_uring): false.
 */
export async function isLockElsewhere(
  claim: FileClaim | BlockClaim,
  bytes: readonly number[],
  cgroup: string,
): Promise<boolean> {
  const seen = new Map<string, readonly FileLock[]>();
  const inside = await findProcess((pid) => {
    const locked = openOnClaim(pid, claim).map(({ path }) => [path, locksOf(path)] as const);
    const own = locked.filter(([, locks]) => locks.length > 0);
    if (own.length > 0 && isInCgroup(pid, cgroup)) return true;
    for (const [path, locks] of own) seen.set(path, locks);
    return false;
  });
  if (inside !== null || !accountFor([...seen.values()].flat(), { bytes, all: allLocks() })) return false;
  // Still theirs: what was listed in between is not of somebody who came when they went.
  return [...seen].every(([path, locks]) => JSON.stringify(locksOf(path)) === JSON.stringify(locks));
}

/** Whether the tap was seen in processes outside of the cgroup, and in none inside. */
export async function isTapElsewhere(name: string, cgroup: string): Promise<boolean> {
  const seen: number[] = [];
  const inside = await findProcess((pid) => {
    if (!hasTap(pid, name)) return false;
    seen.push(pid);
    return isInCgroup(pid, cgroup);
  });
  return seen.length > 0 && inside === null;
}

async function findProcess(isIt: (pid: number) => boolean): Promise<string | null> {
  for (const [index, pid] of allProcesses().entries()) {
    if (index % processesPerSlice === 0) await setImmediate();
    if (pid !== process.pid && isIt(pid)) return `${readProcess(pid)?.name ?? 'a process'} (pid ${pid})`;
  }
  return null;
}

function openOnClaim(pid: number, claim: FileClaim | BlockClaim): OpenFile[] {
  return isFileClaim(claim) ? openOn(pid, [claim]) : openNodes(pid, claim);
}

/** By any node of the device; only what lies where nodes are is asked, since a stat could hang on a dead server. */
function openNodes(pid: number, { kind, device }: BlockClaim | CharacterClaim): OpenFile[] {
  return openFiles(pid).filter(({ target, path }) => {
    const stats = target.startsWith('/dev/') ? unlessGone(() => statSync(path)) : null;
    const isKind = kind === 'block' ? stats?.isBlockDevice() : stats?.isCharacterDevice();
    return isKind === true && stats?.rdev === device;
  });
}

/** A tap's descriptor tells its interface in fdinfo (drivers/net/tun.c: `iff:`). */
function hasTap(pid: number, name: string): boolean {
  return openFiles(pid).some(({ target, path }) => {
    if (!target.endsWith('/net/tun')) return false;
    const info = unlessGone(() => readFileSync(path.replace('/fd/', '/fdinfo/'), 'utf8'));
    return /^iff:\s+(.*)$/m.exec(info ?? '')?.[1] === name;
  });
}

function hasOpen(pid: number, files: readonly FileIdentity[]): boolean {
  return openOn(pid, files).length > 0;
}

/**
 * A descriptor's inode is told by its fdinfo, which no file system can delay; only what has the right one is asked for its
 * device, too: a stat of any file of any process could hang on a dead server.
 */
function openOn(pid: number, files: readonly FileIdentity[]): OpenFile[] {
  return openFiles(pid).filter(({ path }) => {
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
