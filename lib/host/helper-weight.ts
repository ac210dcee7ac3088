/**
 * What a teardown helper has of the processors while it is at its work. Where the kernel schedules by sessions (sched(7),
 * autogroup), all threads of one have a single thread's share between them, and the helper is a session of its own: beside
 * other work two of its threads would free no faster than one.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { ProcessIdentity } from '../domain/incarnation.ts';
import { isErrno } from '../errors.ts';
import { isSameProcess, unlessGone } from './processes.ts';
import type { TeardownRule } from './teardown.ts';

/** What a step of nice is worth (kernel/sched/core.c, sched_prio_to_weight). */
const weightOfStep = 1.25;
const leastNice = -20;

/** The nice value with which a session has the share of so many threads at nice 0. */
export function niceForShares(shares: number): number {
  return Math.max(leastNice, 0 - Math.round(Math.log(shares) / Math.log(weightOfStep)));
}

/**
 * Gives the helper's session a share for each of its threads that has a processor; one that is to be gentle keeps one share.
 * Nothing happens where the kernel has no such groups, or the daemon not the right.
 */
export function weighHelper(helper: ProcessIdentity, hypervisor: ProcessIdentity, rule: TeardownRule): void {
  const own = readSession(helper.pid);
  if (rule.mode !== 'fast' || own === null || own.name === readSession(hypervisor.pid)?.name) return;
  const processors = availableParallelism();
  const threads = rule.threads === 'auto' ? processors : Math.min(rule.threads, processors);
  setNice(helper, niceForShares(threads));
}

/** While somebody waits for the start of what comes after, which needs a processor or two for a moment. */
const heldBackNice = 10;

/** Lets others go before a helper that has more than one share; gives what undoes it. */
export function holdBack(helper: ProcessIdentity): () => void {
  const before = readSession(helper.pid)?.nice ?? 0;
  if (before >= 0) return () => undefined;
  setNice(helper, heldBackNice);
  return () => {
    setNice(helper, before);
  };
}

interface Session {
  /** E.g. `/autogroup-81`. */
  readonly name: string;
  readonly nice: number;
}

/** null: it is gone, or the kernel has none. */
function readSession(pid: number): Session | null {
  const text = unlessGone(() => readFileSync(`/proc/${pid}/autogroup`, 'utf8'));
  const [, name, nice] = /^(\S+) nice (-?\d+)$/m.exec(text ?? '') ?? [];
  return name === undefined ? null : { name, nice: Number(nice) };
}

function setNice(helper: ProcessIdentity, nice: number): void {
  if (!isSameProcess(helper)) return;
  try {
    writeFileSync(`/proc/${helper.pid}/autogroup`, String(nice));
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EACCES', 'EAGAIN', 'EINVAL', 'ENOENT', 'ESRCH')) throw error;
  }
}
