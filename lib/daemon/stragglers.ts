/** Processes of an incarnation that stay when its hypervisor is gone, whatever they are: how they are noticed, and ended. */
import { constants } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import type { Cgroup } from '../../cgroups/cgroup.ts';
import { closeFd } from '../../native/index.ts';
import { isEnding, readProcess, unlessGone } from '../host/processes.ts';
import { openProcess, signalUnlessGone } from './signals.ts';
import type { Supervisor } from './supervisor.ts';

/** Between the first looks after that; later ones come ever more seldom. */
const lookAgainMs = 1000;
const seldomMs = 60_000;

/** Tells of them when they have had the time that a hypervisor has; a clock that already runs is left to run. */
export function awaitStragglers(supervisor: Supervisor): void {
  if (!supervisor.isPlanned('stragglers')) lookIn(supervisor, supervisor.launch.clocks.killAfterMs, lookAgainMs);
}

function lookIn(supervisor: Supervisor, ms: number, againMs: number): void {
  supervisor.plan('stragglers', ms, async () => consider(supervisor, againMs));
}

/** Who is at work, on its way out, or was killed, may still leave somebody behind. */
async function consider(supervisor: Supervisor, againMs: number): Promise<void> {
  const found = stragglersIn(supervisor);
  if (found === 'some') await supervisor.tell({ kind: 'stragglersDue' });
  if (found !== 'none') lookIn(supervisor, againMs, Math.min(2 * againMs, seldomMs));
}

/**
 * SIGKILL to everything inside. `cgroup.kill` signals the first thread of each process and so misses one whose first thread
 * has ended (__cgroup_kill in kernel/cgroup/cgroup.c, 6.18): who is left is signalled as a whole.
 */
export async function killAll(cgroup: Cgroup): Promise<void> {
  await cgroup.kill();
  for (const pid of unlessGone(() => cgroup.processes()) ?? []) {
    const facts = readProcess(pid);
    const pidfd = facts && openProcess(facts.identity);
    if (pidfd === null) continue;
    signalUnlessGone(pidfd, constants.signals.SIGKILL);
    closeFd(pidfd);
  }
}

/** Not those on their way out, nor the helper at its work: while bytes fall it has all the time it needs. */
function stragglersIn({ cgroup, state }: Supervisor): 'some' | 'none yet' | 'none' {
  if (state.kind !== 'exiting' && state.kind !== 'draining') return 'none';
  const populated = cgroup.populated();
  if (!populated.known) return 'none yet';
  if (!populated.value) return 'none';
  const working = state.kind === 'draining' ? state.helper : null;
  const isThere = cgroup.processes().some((pid) => {
    const facts = readProcess(pid);
    if (!facts || (working && isDeepStrictEqual(facts.identity, working))) return false;
    return !facts.exiting || !isEnding(pid);
  });
  return isThere ? 'some' : 'none yet';
}
