/** What follows a transition: one handler for each effect. Handlers act and report back by events; none changes state itself. */
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeFd, watchPidfd } from '../../native/index.ts';
import { describeClaim } from '../domain/claims.ts';
import type { ProcessIdentity } from '../domain/incarnation.ts';
import type { Effect, EffectKind } from '../domain/transition-effect.ts';
import { proveFreed, scanHelper } from '../drain/freed.ts';
import { type MemoryVerdict, watchMemory } from '../drain/released.ts';
import { isErrno, messageOf } from '../errors.ts';
import { isInCgroup, isTeardownHelper, readProcess, unlessGone } from '../host/processes.ts';
import { endCompanions, followCompanions, livingCompanions } from './companions.ts';
import { judgeVanished, readFacts, recordedHypervisor } from './facts.ts';
import { reach } from './fault-points.ts';
import { guestHandlers } from './guest-effects.ts';
import { returnLoans } from './loans.ts';
import { keepMonitor } from './monitor.ts';
import { lastWords, logFile, removeRuntimeDirectory } from './runtime-files.ts';
import { openProcess, signalUnlessGone } from './signals.ts';
import { awaitStragglers, killAll } from './stragglers.ts';
import type { Supervisor } from './supervisor.ts';
import { removeTransient } from './tpm.ts';

type Handlers = {
  readonly [K in EffectKind]: (supervisor: Supervisor, effect: Extract<Effect, { kind: K }>) => Promise<void>;
};

const readAgainMs = 1000;

const handlers = {
  ...guestHandlers,

  async signalHypervisor(supervisor, { signal }) {
    // A hypervisor ends itself by stopping its vCPUs first: they must be able to.
    await supervisor.brake?.release();
    if (supervisor.handle) signalUnlessGone(supervisor.handle.pidfd, constants.signals[signal]);
    await letRun(supervisor);
  },

  async scheduleKill(supervisor) {
    // Once: a clock that already runs is left to run.
    if (supervisor.isPlanned('kill')) return;
    supervisor.plan('kill', supervisor.launch.clocks.killAfterMs, async () => {
      await supervisor.tell({ kind: 'killDue' });
    });
  },

  async scanHelper(supervisor) {
    const helper = helperOf(supervisor);
    if (!helper) return;
    const { claims } = supervisor.launch;
    try {
      supervisor.pinned = scanHelper(helper, claims);
    } catch (error) {
      // Not seen is not absent: then only the end of every process proves a claim free.
      supervisor.pinned = new Set(claims.map(describeClaim));
      throw error;
    }
  },

  async endHelper(supervisor) {
    const helper = helperOf(supervisor);
    if (helper) followToEnd(helper, supervisor.launch.helper === 'qemu');
  },

  async endStuckHelper(supervisor) {
    const helper = helperOf(supervisor);
    if (helper) followToEnd(helper, true);
  },

  async endCompanions(supervisor) {
    await supervisor.brake?.end();
    await endCompanions(supervisor);
    await letRun(supervisor);
  },

  async proveFreed(supervisor) {
    const { signal } = supervisor.ending;
    const proving = proveFreed(
      {
        claims: supervisor.launch.claims,
        pinned: supervisor.pinned,
        cgroup: supervisor.cgroup,
        companions: () => livingCompanions(supervisor),
      },
      { signal, onBusy: (busy) => void supervisor.tell({ kind: 'resourcesBusy', busy }) },
    );
    try {
      const proofs = await proving;
      // Before anybody else may have them.
      await returnLoans(supervisor);
      reach('images given back');
      await supervisor.tell({ kind: 'resourcesFree', proofs });
    } catch (error) {
      if (signal.aborted) return;
      await supervisor.tell({ kind: 'factsUnreadable', reason: messageOf(error) });
    }
  },

  async scheduleStragglers(supervisor) {
    awaitStragglers(supervisor);
  },

  async killCgroup(supervisor) {
    await killAll(supervisor.cgroup);
  },

  async watchMemory(supervisor) {
    await keepFromSwap(supervisor);
    const verdict = await watchMemory({
      cgroup: supervisor.cgroup,
      ramFiles: supervisor.state.kind === 'draining' ? supervisor.state.ramFiles : [],
      stalledAfterMs: supervisor.launch.clocks.stalledAfterMs,
      tracker: supervisor.tracker,
      signal: supervisor.ending.signal,
      onEmpty: async () => clearRuntimeFiles(supervisor),
      onHolder: (holder) => {
        supervisor.holder = holder;
      },
      onStall: (stillMs) => void supervisor.tell({ kind: 'stalled', stillMs }),
      onProgress: () => void supervisor.tell({ kind: 'progressed' }),
    });
    const proven = verdict.kind === 'gone' ? verdict : judgeVanished(supervisor);
    if (proven.kind === 'gone') await supervisor.tell({ kind: 'memoryGone', oomKilled: proven.oomKilled });
    else await supervisor.tell({ kind: 'factsUnreadable', reason: reasonOf(verdict) });
  },

  async removeCgroup(supervisor) {
    supervisor.memoryIsGone = true;
    supervisor.teardownTime.end();
    try {
      await removePatiently(supervisor);
      reach('cgroup removed');
      // The domain's own cgroup goes with its last incarnation. All of it before `released` is said.
      await supervisor.branch().removeIfEmpty();
      reach('branch removed');
      await clearRuntimeFiles(supervisor);
      reach('runtime directory removed');
      await removeTransientTpm(supervisor);
      await supervisor.tell({ kind: 'cgroupRemoved' });
    } catch (error) {
      await supervisor.tell({ kind: 'factsUnreadable', reason: messageOf(error) });
    }
  },

  async readFacts(supervisor) {
    for (;;) {
      await sleep(readAgainMs, undefined, { signal: supervisor.ending.signal });
      if (supervisor.state.kind !== 'lost') return;
      const found = readFacts(supervisor);
      if (!found.known) continue;
      await supervisor.tell({ kind: 'factsRead', hypervisor: found.value });
      return;
    }
  },

  async adoptHypervisor(supervisor) {
    await adopt(supervisor);
  },

  async followHypervisor(supervisor) {
    try {
      if (!(await adopt(supervisor))) return;
    } catch (error) {
      await supervisor.tell({ kind: 'factsUnreadable', reason: messageOf(error) });
      return;
    }
    // Whoever held its brake may have died with it: a hypervisor whose vCPUs stand still may not answer.
    if (supervisor.launch.brake) await supervisor.cgroup.thaw();
    followCompanions(supervisor);
    await keepMonitor(supervisor);
  },

  async forget(supervisor) {
    supervisor.close();
  },
} satisfies Handlers;

/** Runs one effect by the table. */
export async function runEffect(supervisor: Supervisor, effect: Effect): Promise<void> {
  // The one cast: TypeScript cannot correlate the handler's effect with its kind.
  const handler = handlers[effect.kind] as (supervisor: Supervisor, effect: Effect) => Promise<void>;
  reach(`before effect ${effect.kind}`);
  await handler(supervisor, effect);
  reach(`after effect ${effect.kind}`);
}

/** Memory that goes away must not be written out first, by whatever limit is above it. */
async function keepFromSwap({ cgroup }: Supervisor): Promise<void> {
  try {
    await cgroup.limit({ swapMax: 0 });
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENODEV')) throw error;
  }
}

/** One whose hypervisor died before it was up is known by its name alone. */
function helperOf({ state, launch: { helper }, cgroup }: Supervisor): ProcessIdentity | null {
  if ((state.kind !== 'exiting' && state.kind !== 'draining') || helper === 'none') return null;
  if (state.helper) return state.helper;
  const inside = unlessGone(() => cgroup.processes()) ?? [];
  const facts = inside.map(readProcess).find((process) => process && isTeardownHelper(process.name, helper));
  return facts?.identity ?? null;
}

/** Reaped if it became our child (we are a subreaper), after SIGKILL if it is not to be waited for. */
function followToEnd(identity: ProcessIdentity, kill: boolean): void {
  const pidfd = openProcess(identity);
  if (pidfd === null) return;
  if (kill) signalUnlessGone(pidfd, constants.signals.SIGKILL);
  watchPidfd(pidfd, () => {
    closeFd(pidfd);
  });
}

/** True when the recorded hypervisor lives and is ours to follow; else its exit was told. */
async function adopt(supervisor: Supervisor): Promise<boolean> {
  const hypervisor = recordedHypervisor(supervisor);
  if (hypervisor && followProcess(supervisor, hypervisor)) return true;
  await supervisor.tell({ kind: 'hypervisorExited', exitCode: null, signal: null, detail: null });
  return false;
}

/** False when the process is gone, or lives elsewhere than in this incarnation's cgroup. */
function followProcess(supervisor: Supervisor, hypervisor: ProcessIdentity): boolean {
  if (supervisor.handle) return true;
  const pidfd = openProcess(hypervisor);
  if (pidfd === null) return false;
  // Its threads may be sorted into groups below.
  if (!isInCgroup(hypervisor.pid, supervisor.launch.cgroup)) {
    closeFd(pidfd);
    return false;
  }
  const log = logFile(supervisor.services.places, supervisor.launch.domain);
  supervisor.watchHypervisor({ identity: hypervisor, pidfd }, async () => lastWords(log, 0));
  return true;
}

/** Ends whatever keeps its processes from running, and thus from ending: limits of ours, a freezer of anyone's. */
async function letRun({ cgroup }: Supervisor): Promise<void> {
  await cgroup.unthrottle();
  await cgroup.thaw();
}

/**
 * They may lie in memory (a runtime directory on tmpfs), charged to the incarnation that wrote them: they go before its
 * memory can. What cannot be removed is no reason to call it unknown.
 */
async function clearRuntimeFiles({ services, launch }: Supervisor): Promise<void> {
  try {
    await removeRuntimeDirectory(services.places, launch.id);
  } catch (error) {
    services.log.warn({ domain: launch.domain, incarnation: launch.id, err: error }, 'remove runtime files');
  }
}

/** EBUSY right after the last exit: the kernel is a moment behind its own events. */
async function removePatiently(supervisor: Supervisor): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await supervisor.cgroup.remove();
      return;
    } catch (error) {
      if (!isErrno(error, 'EBUSY') || attempt >= 50) throw error;
      await sleep(20, undefined, { signal: supervisor.ending.signal });
    }
  }
}

/** With the last incarnation of a domain that has no definition; one that is left behind is swept by the next daemon. */
async function removeTransientTpm({ launch, services }: Supervisor): Promise<void> {
  const isLast = services.all().every((other) => other.launch.id === launch.id || other.launch.uuid !== launch.uuid);
  if (!isLast) return;
  await removeTransient(services.places.stateDir, launch.uuid).catch((error: unknown) => {
    services.log.error({ domain: launch.domain, incarnation: launch.id, err: error }, 'TPM');
  });
}

function reasonOf(verdict: MemoryVerdict): string {
  return verdict.kind === 'unreadable' ? verdict.reason : 'memory is still charged to the domain';
}
