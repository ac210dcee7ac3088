/**
 * Are the exclusive resources free? The proof of `freed`: a kernel probe per resource decides; descriptors and mappings are
 * looked at only to name a holder, and the helper's only once, while it still keeps the address space.
 * A file that the helper maps stays pinned with that address space: then only its end (populated 0) is a proof.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Claim, describeClaim, isFileClaim } from '../domain/claims.ts';
import type { BusyResource, ProcessIdentity, Proof } from '../domain/incarnation.ts';
import { isSameProcess, mappedFiles, openFiles } from '../host/processes.ts';
import { findClaimHolder } from './holders.ts';
import { type Answer, fileIdentity, identityOf, probeClaim, type ProbePlace } from './probes.ts';

export interface FreedQuestion extends ProbePlace {
  readonly claims: readonly Claim[];
  /** Companions of the hypervisor that have not ended, e.g. `swtpm (pid 812)`; asked anew each time. Absent: it has none. */
  companions?(): readonly string[];
}

/** Probes come this often at first, then ever more slowly. */
const firstPauseMs = 10;
const longestPauseMs = 250;
/** Naming a holder means looking through /proc: no oftener than this. */
const nameEveryMs = 2000;

/** Claimed files (by `describeClaim`) that the helper has open or mapped. */
export function scanHelper(helper: ProcessIdentity, claims: readonly Claim[]): ReadonlySet<string> {
  if (!isSameProcess(helper)) return new Set();
  const open = openFiles(helper.pid).map(({ path }) => identityOf(path));
  const identities = new Set([...open, ...mappedFiles(helper.pid).map(identityOfAny)]);
  const pinned = claims.filter((claim) => isFileClaim(claim) && identities.has(fileIdentity(claim)));
  return new Set(pinned.map(describeClaim));
}

/** Of links to one file, the first that is still there tells; null: all are gone. */
function identityOfAny(paths: readonly string[]): string | null {
  for (const path of paths) {
    const identity = identityOf(path);
    if (identity !== null) return identity;
  }
  return null;
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
    const claimed = await Promise.all(question.claims.map((claim) => probeClaim(claim, question)));
    const answers = [...(question.companions?.() ?? []).map(companionAnswer), ...claimed];
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
    busy.map(async ({ claim, resource, probe }) => {
      return { resource, probe, holder: claim && (await findClaimHolder(claim, dying)) };
    }),
  );
}

/** It may hold what the hypervisor shared with it, guest memory and descriptors alike. */
function companionAnswer(name: string): Answer {
  return { claim: null, resource: `companion ${name}`, probe: 'pidfd: it has not ended', free: false };
}
