/**
 * Are the exclusive resources free? The proof of `freed`: a kernel probe per resource decides; descriptors and mappings are
 * looked at only to name a holder, and the helper's only once, while it still keeps the address space.
 * A file that the helper maps stays pinned with that address space: then only its end (populated 0) is a proof.
 */
import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cgroup } from '../../cgroups/cgroup.ts';
import type { Claim } from '../domain/claims.ts';
import type { BusyResource, ProcessIdentity, Proof } from '../domain/incarnation.ts';
import { isErrno, messageOf } from '../errors.ts';
import { lockedBytes } from '../host/images.ts';
import { isSameProcess, mappedFiles, openFiles, unlessGone } from '../host/processes.ts';
import { findHolder } from './holders.ts';

export interface FreedQuestion {
  readonly claims: readonly Claim[];
  /** Paths the teardown helper has mapped or open, from `scanHelper`. */
  readonly pinned: ReadonlySet<string>;
  readonly cgroup: Cgroup;
}

/** One claim's answer: `probe` says what was asked of the kernel. */
interface Answer {
  readonly claim: Claim;
  readonly resource: string;
  readonly probe: string;
  readonly free: boolean;
}

/** Probes come this often at first, then ever more slowly. */
const firstPauseMs = 10;
const longestPauseMs = 250;
/** Naming a holder means looking through /proc: no oftener than this. */
const nameEveryMs = 2000;

/** Paths of claimed images that the helper has open or mapped. */
export function scanHelper(helper: ProcessIdentity, claims: readonly Claim[]): ReadonlySet<string> {
  if (!isSameProcess(helper)) return new Set();
  const held = [...openFiles(helper.pid), ...mappedFiles(helper.pid)];
  const identities = new Set(held.map(({ path }) => identityOf(path)));
  return new Set(claims.filter((claim) => identities.has(claimIdentity(claim))).map((claim) => claim.path));
}

/**
 * Probes every claim of an incarnation whose hypervisor is gone until the kernel says that all are free; resolves with the
 * proofs. `onBusy` hears each change of what is busy. Never gives up: a resource that is not free is not free.
 */
export async function proveFreed(
  question: FreedQuestion,
  options: { readonly signal: AbortSignal; onBusy(busy: readonly BusyResource[]): void },
): Promise<readonly Proof[]> {
  let named = Number.NEGATIVE_INFINITY;
  let told = '';
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
    const answers = await Promise.all(question.claims.map((claim) => probeClaim(claim, question)));
    const busy = answers.filter((answer) => !answer.free);
    if (busy.length === 0) return [hypervisorProof, ...answers.map(({ resource, probe }) => ({ resource, probe }))];
    if (describe(busy) !== told || performance.now() - named > nameEveryMs) {
      [told, named] = [describe(busy), performance.now()];
      options.onBusy(await nameHolders(busy, question.cgroup.path));
    }
    await sleep(pauseMs, undefined, { signal: options.signal });
  }
}

const hypervisorProof: Proof = { resource: 'hypervisor', probe: 'pidfd: every thread is gone' };

function describe(answers: readonly Answer[]): string {
  return answers.map(({ resource, probe }) => `${resource} ${probe}`).join('\n');
}

async function nameHolders(busy: readonly Answer[], dying: string): Promise<BusyResource[]> {
  return Promise.all(
    busy.map(async ({ claim, resource, probe }) => ({ resource, probe, holder: await findHolder([claim], dying) })),
  );
}

/** A probe that fails is an answer too: not free, and why it could not be asked. It is asked again. */
async function probeClaim(claim: Claim, question: FreedQuestion): Promise<Answer> {
  try {
    return await askKernel(claim, question);
  } catch (error) {
    const why = messageOf(error);
    return { claim, resource: `image ${claim.path}`, probe: `cannot be probed: ${why}`, free: false };
  }
}

async function askKernel(claim: Claim, question: FreedQuestion): Promise<Answer> {
  if (question.pinned.has(claim.path)) return provenByEnd(claim, question.cgroup, 'mapped by the teardown helper');
  if (claim.mode === 'shared') return provenUnused(claim, question.cgroup);
  return provenByLocks(claim, question.cgroup);
}

/** QEMU's image locks: one lock on any of its bytes, by anyone, is busy. */
async function provenByLocks(claim: Claim, cgroup: Cgroup): Promise<Answer> {
  const bytes = (await isStillNamed(claim)) ? await lockedUnlessMoved(claim.path) : null;
  if (bytes === null) return provenByEnd(claim, cgroup, 'no longer under its name');
  const found = bytes.length === 0 ? 'no lock on its bytes' : `locked at bytes ${bytes.join(' ')}`;
  return { claim, resource: `image ${claim.path}`, probe: `F_OFD_GETLK: ${found}`, free: bytes.length === 0 };
}

/** Whether the path still leads to the claimed file. Off the event loop: images may lie on a server that is gone. */
async function isStillNamed(claim: Claim): Promise<boolean> {
  try {
    const stats = await stat(claim.path);
    return `${stats.dev}:${stats.ino}` === claimIdentity(claim);
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
function provenUnused(claim: Claim, cgroup: Cgroup): Answer {
  // A cgroup that is gone has no process: the kernel refuses rmdir while one is inside.
  const inside = unlessGone(() => cgroup.processes()) ?? [];
  const user = inside.find((pid) => openFiles(pid).some(({ path }) => identityOf(path) === claimIdentity(claim)));
  const probe = user === undefined ? 'open in no process of the incarnation' : `open in pid ${user}`;
  return { claim, resource: `shared image ${claim.path}`, probe, free: user === undefined };
}

/** No probe can tell: only the end of every process, and with it of the address space, frees it. */
function provenByEnd(claim: Claim, cgroup: Cgroup, why: string): Answer {
  const populated = cgroup.populated();
  const free = populated.known && !populated.value;
  const end = free ? 'cgroup.events: populated 0' : 'processes are left in the cgroup';
  return { claim, resource: `image ${claim.path}`, probe: `${why}; ${end}`, free };
}

function claimIdentity(claim: Claim): string {
  return `${claim.device}:${claim.inode}`;
}

/** Of a link below /proc, which leads to the open file itself; null when it is gone. */
function identityOf(path: string): string | null {
  const stats = unlessGone(() => statSync(path));
  return stats ? `${stats.dev}:${stats.ino}` : null;
}
