/**
 * After a restart of the daemon: kernel facts folded over the journal. Nothing is assumed: another boot id means released,
 * a process counts only if pid, start time and cgroup are the recorded ones, and every other state is proven anew.
 */
import type { Effect } from '../domain/transition-effect.ts';
import { isErrno, messageOf } from '../errors.ts';
import { readBootId } from '../host/inventory.ts';
import { isSameProcess } from '../host/processes.ts';
import { QmpError } from '../qemu/qmp-error.ts';
import { findHypervisor } from './facts.ts';
import { completeLaunch, takeForRunning } from './launcher.ts';
import { returnLoans } from './loans.ts';
import { qmpSocket } from './runtime-files.ts';
import { launchedDomain } from './stored-domain.ts';
import { killAll } from './stragglers.ts';
import type { Supervisor } from './supervisor.ts';

/** Brings one remembered incarnation to its true state; long work goes on in the background. */
export async function recover(supervisor: Supervisor): Promise<void> {
  if (supervisor.launch.bootId !== readBootId()) {
    await returnLoans(supervisor);
    await supervisor.tell({ kind: 'hostRebooted' });
    return;
  }
  const { state } = supervisor;
  switch (state.kind) {
    case 'launching':
      return recoverLaunch(supervisor);
    case 'running':
    case 'paused':
    case 'stopping':
      return resume(supervisor, { kind: 'scheduleDestroy' }, { kind: 'followHypervisor' });
    case 'exiting':
      return recoverExit(supervisor);
    case 'draining':
      // Once it is proven, a cgroup that is gone proves nothing else: its domain's may be full of the next incarnation.
      if (state.memoryGone) return resume(supervisor, { kind: 'removeCgroup' });
      return resume(supervisor, { kind: 'watchMemory' }, { kind: 'scheduleStragglers' });
    case 'lost':
      return resume(supervisor, { kind: 'readFacts' });
    case 'released':
      return;
  }
}

/** A fact that cannot be had makes it lost, never what the journal happened to say last. */
function resume(supervisor: Supervisor, ...effects: readonly Effect[]): void {
  supervisor.inBackground('recovery', async () => {
    try {
      await supervisor.resume(...effects);
    } catch (error) {
      if (supervisor.ending.signal.aborted) return;
      const reason = messageOf(error);
      await supervisor.tell({ kind: 'factsUnreadable', reason });
    }
  });
}

/** Nobody was told that it runs: it is finished if it can be, ended if not. */
async function recoverLaunch(supervisor: Supervisor): Promise<void> {
  const { state } = supervisor;
  if (state.kind !== 'launching') return;
  // A crash between birth and its record, or a journal that lost the record and what followed: then it may long run.
  const unrecorded = state.hypervisor ? null : findHypervisor(supervisor.cgroup, socketOf(supervisor));
  if (unrecorded) await supervisor.tell({ kind: 'hypervisorSpawned', hypervisor: unrecorded });
  if (!state.hypervisor && !unrecorded) {
    await killWhoeverIsInside(supervisor);
    await supervisor.tell({ kind: 'launchFailed', detail: 'the daemon ended while starting it' });
    return;
  }
  await supervisor.resume({ kind: 'adoptHypervisor' });
  supervisor.inBackground('finish a launch', async () => {
    try {
      await completeLaunch(supervisor, launchedDomain(supervisor.launch), true);
    } catch (error) {
      const isSilent = error instanceof QmpError && error.kind === 'deadline' && supervisor.handle !== null;
      if (isSilent) await takeForRunning(supervisor);
      else await supervisor.tell({ kind: 'launchFailed', detail: messageOf(error) });
    }
  });
}

function socketOf({ launch, services }: Supervisor): string {
  return qmpSocket(services.places, launch.id);
}

/** What is left of a launch that came to no hypervisor: companions, a child on its way to be one. */
async function killWhoeverIsInside(supervisor: Supervisor): Promise<void> {
  await killAll(supervisor.cgroup).catch((error: unknown) => {
    if (!isErrno(error, 'ENOENT')) throw error;
  });
}

/** The ladder goes on where it was. */
async function recoverExit(supervisor: Supervisor): Promise<void> {
  const { state } = supervisor;
  if (state.kind !== 'exiting') return;
  if (state.awaitsLaunch) {
    await killWhoeverIsInside(supervisor);
    await supervisor.tell({ kind: 'launchFailed', detail: 'the daemon ended while starting it' });
    return;
  }
  if (state.hypervisor && isSameProcess(state.hypervisor)) {
    await supervisor.resume({ kind: 'adoptHypervisor' });
    const signal = state.outcome.rung === 'SIGKILL' ? 'SIGKILL' : 'SIGTERM';
    return resume(
      supervisor,
      { kind: 'signalHypervisor', signal },
      ...(state.killFollows ? [{ kind: 'scheduleKill' } as const] : []),
    );
  }
  if (state.hypervisor) {
    await supervisor.tell({ kind: 'hypervisorExited', exitCode: null, signal: null, detail: null });
    return;
  }
  return resume(
    supervisor,
    { kind: 'scanHelper' },
    { kind: 'endHelper' },
    { kind: 'endCompanions' },
    { kind: 'proveFreed' },
    { kind: 'scheduleStragglers' },
  );
}
