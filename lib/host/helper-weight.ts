/**
 * What a teardown helper has of the processors while it is at its work. Where the kernel schedules by sessions (sched(7),
 * autogroup), all threads of one have a single thread's share between them, and the helper is a session of its own: beside
 * other work two of its threads would free no faster than one.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { ProcessIdentity } from '../domain/incarnation.ts';
import { isErrno } from '../errors.ts';
import { unlessGone } from './processes.ts';
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
  const group = autogroupOf(helper.pid);
  if (rule.mode !== 'fast' || group === null || group === autogroupOf(hypervisor.pid)) return;
  const processors = availableParallelism();
  const threads = rule.threads === 'auto' ? processors : Math.min(rule.threads, processors);
  try {
    writeFileSync(`/proc/${helper.pid}/autogroup`, String(niceForShares(threads)));
  } catch (error) {
    if (!isErrno(error, 'EPERM', 'EACCES', 'EAGAIN', 'EINVAL', 'ENOENT', 'ESRCH')) throw error;
  }
}

/** E.g. `/autogroup-81`; null: it is gone, or the kernel has none. */
function autogroupOf(pid: number): string | null {
  return unlessGone(() => readFileSync(`/proc/${pid}/autogroup`, 'utf8'))?.split(' ')[0] ?? null;
}
