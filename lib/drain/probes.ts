/**
 * Is one claimed resource free? A kernel probe per kind of resource. Nothing here waits, names a holder, or takes what
 * it asks about.
 */
import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Cgroup } from '../../cgroups/cgroup.ts';
import {
  type BlockClaim,
  type Claim,
  describeClaim,
  type FileClaim,
  isFileClaim,
  type PortClaim,
  type TapClaim,
} from '../domain/claims.ts';
import { isErrno, messageOf } from '../errors.ts';
import { lockedBytes } from '../host/images.ts';
import { isPortFree } from '../host/ports.ts';
import { openFiles, unlessGone } from '../host/processes.ts';
import { tapState } from '../host/taps.ts';
import { findClaimHolder, isLockElsewhere, isPortElsewhere, isTapElsewhere } from './holders.ts';

export interface ProbePlace {
  /** Claimed files (by `describeClaim`) that the teardown helper has mapped or open, from `scanHelper`. */
  readonly pinned: ReadonlySet<string>;
  readonly cgroup: Cgroup;
}

/** One answer: `probe` says what was asked of the kernel; claim null: it is about a process. */
export interface Answer {
  readonly claim: Claim | null;
  readonly resource: string;
  readonly probe: string;
  readonly free: boolean;
}

/** A probe that fails is an answer too: not free, and why it could not be asked. It is asked again. */
export async function probeClaim(claim: Claim, place: ProbePlace): Promise<Answer> {
  try {
    return await askKernel(claim, place);
  } catch (error) {
    return { claim, resource: nameOf(claim), probe: `cannot be probed: ${messageOf(error)}`, free: false };
  }
}

async function askKernel(claim: Claim, place: ProbePlace): Promise<Answer> {
  switch (claim.kind) {
    case 'image':
    case 'nvram':
      return askAboutFile(claim, place);
    case 'block':
      return claim.mode === 'shared' ? provenUnused(claim, place.cgroup) : provenByLocks(claim, place.cgroup);
    case 'tap':
      return askAboutTap(claim, place.cgroup);
    case 'port':
      return askAboutPort(claim, place.cgroup);
    case 'store':
      return provenByEnd(claim, place.cgroup, 'memory of the guest, which nothing locks');
    case 'character':
    case 'cid':
      return provenByEnd(claim, place.cgroup, 'let go with the last process');
  }
}

async function askAboutFile(claim: FileClaim, { pinned, cgroup }: ProbePlace): Promise<Answer> {
  if (pinned.has(describeClaim(claim))) return provenByEnd(claim, cgroup, 'mapped by the teardown helper');
  return claim.mode === 'shared' ? provenUnused(claim, cgroup) : provenByLocks(claim, cgroup);
}

/** A tap of ours goes with its last descriptor; the operator's stays, and is free when none of ours has it open. */
async function askAboutTap(claim: TapClaim, cgroup: Cgroup): Promise<Answer> {
  const state = tapState(claim.name);
  const answer = { claim, resource: nameOf(claim) };
  if (state === 'gone') return { ...answer, probe: 'SIOCGIFINDEX: no such interface', free: true };
  if (claim.managed) return { ...answer, probe: 'SIOCGIFINDEX: the interface is there', free: false };
  if (state === 'free') return { ...answer, probe: 'carrier: free', free: true };
  const elsewhere = await isTapElsewhere(claim.name, cgroup.path);
  if (state === 'attached')
    return { ...answer, probe: `carrier: attached${elsewhere ? byOthers : ''}`, free: elsewhere };
  const unused = !elsewhere && (await findClaimHolder(claim, '')) === null;
  const seen = unused ? 'open in none' : `open${elsewhere ? byOthers : ''}`;
  return { ...answer, probe: `fdinfo of every process: ${seen}`, free: unused || elsewhere };
}

/** What another program took at once must not keep this incarnation for as long as that runs: it has none of it any more. */
const byOthers = ', by other programs alone';

async function askAboutPort(claim: PortClaim, cgroup: Cgroup): Promise<Answer> {
  const call = claim.protocol === 'tcp' ? 'bind and listen' : 'bind';
  const answer = { claim, resource: nameOf(claim) };
  if (await isPortFree(claim)) return { ...answer, probe: `${call}: succeeds`, free: true };
  const free = await isPortElsewhere(claim, cgroup.path);
  return { ...answer, probe: `${call}: EADDRINUSE${free ? byOthers : ''}`, free };
}

/** QEMU's image locks: one lock on any of its bytes that may be ours is busy. It takes them on block devices, too. */
async function provenByLocks(claim: FileClaim | BlockClaim, cgroup: Cgroup): Promise<Answer> {
  const bytes = (await isStillNamed(claim)) ? await lockedUnlessMoved(claim.path) : null;
  if (bytes === null) return provenByEnd(claim, cgroup, 'no longer under its name');
  const answer = { claim, resource: nameOf(claim) };
  if (bytes.length === 0) return { ...answer, probe: 'F_OFD_GETLK: no lock on its bytes', free: true };
  const free = await isLockElsewhere(claim, bytes, cgroup.path);
  return { ...answer, probe: `F_OFD_GETLK: locked at bytes ${bytes.join(' ')}${free ? byOthers : ''}`, free };
}

/** Whether the path still leads to the claimed file. Off the event loop: images may lie on a server that is gone. */
async function isStillNamed(claim: FileClaim | BlockClaim): Promise<boolean> {
  try {
    const stats = await stat(claim.path);
    return isFileClaim(claim)
      ? `${stats.dev}:${stats.ino}` === fileIdentity(claim)
      : stats.isBlockDevice() && stats.rdev === claim.device;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'ELOOP', 'ENOTDIR')) return false;
    throw error;
  }
}

async function lockedUnlessMoved(path: string): Promise<number[] | null> {
  return lockedBytes(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  });
}

/** A shared image may be locked by others for good; free means that no process of this incarnation has it open. */
function provenUnused(claim: FileClaim | BlockClaim, cgroup: Cgroup): Answer {
  // A cgroup that is gone has no process: the kernel refuses rmdir while one is inside.
  const inside = unlessGone(() => cgroup.processes()) ?? [];
  const user = inside.find((pid) => openFiles(pid).some(({ path }) => isItself(path, claim)));
  const probe = user === undefined ? 'open in no process of the incarnation' : `open in pid ${user}`;
  return { claim, resource: `shared ${nameOf(claim)}`, probe, free: user === undefined };
}

/** No probe can tell: only the end of every process, and with it of the address space, frees it. */
function provenByEnd(claim: Claim, cgroup: Cgroup, why: string): Answer {
  const populated = cgroup.populated();
  const free = populated.known && !populated.value;
  const end = free ? 'cgroup.events: populated 0' : 'processes are left in the cgroup';
  return { claim, resource: nameOf(claim), probe: `${why}; ${end}`, free };
}

const words = {
  image: 'image ',
  nvram: 'nvram ',
  block: 'block device ',
  tap: '',
  port: '',
  store: 'store ',
  character: '',
  cid: '',
} as const;

function nameOf(claim: Claim): string {
  return `${words[claim.kind]}${describeClaim(claim)}`;
}

export function fileIdentity(file: Pick<FileClaim, 'device' | 'inode'>): string {
  return `${file.device}:${file.inode}`;
}

/** Of a link below /proc, which leads to the open file itself; null when it is gone. */
export function identityOf(path: string): string | null {
  const stats = unlessGone(() => statSync(path));
  return stats ? `${stats.dev}:${stats.ino}` : null;
}

function isItself(path: string, claim: FileClaim | BlockClaim): boolean {
  if (isFileClaim(claim)) return identityOf(path) === fileIdentity(claim);
  const stats = unlessGone(() => statSync(path));
  return stats !== null && stats.isBlockDevice() && stats.rdev === claim.device;
}
