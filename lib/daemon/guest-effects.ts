/** Effects on a live guest, by its monitor or its agent. What comes of them is told by the hypervisor's own events. */
import type { Effect } from '../domain/transition-effect.ts';
import {
  cont,
  contAfterReset,
  queryStatus,
  quit,
  setAction,
  stop,
  systemReset,
  systemWakeup,
} from '../qemu/commands.ts';
import type { QmpClient } from '../qemu/qmp.ts';
import { QmpError } from '../qemu/qmp-error.ts';
import { afterPoweroff, askGuest, monitorOf } from './asking.ts';
import { thawed } from './brake.ts';
import type { Supervisor } from './supervisor.ts';

type EffectOf<K extends Effect['kind']> = Extract<Effect, { kind: K }>;

export const guestHandlers = {
  async askGuest(supervisor: Supervisor, { to, modes }: EffectOf<'askGuest'>): Promise<void> {
    try {
      await thawed(supervisor, async () => askGuest(supervisor, to, modes));
    } catch (error) {
      await supervisor.tell({ kind: 'askFailed' });
      throw error;
    }
  },

  async scheduleDestroy(supervisor: Supervisor): Promise<void> {
    waitForDestroy(supervisor);
  },

  async resetGuest(supervisor: Supervisor, { resume }: EffectOf<'resetGuest'>): Promise<void> {
    await thawed(supervisor, async () => resetGuest(supervisor, resume));
  },

  async restoreActions(supervisor: Supervisor): Promise<void> {
    if (supervisor.qmp) await setAction(supervisor.qmp, { shutdown: afterPoweroff(supervisor) });
  },

  async stopGuest(supervisor: Supervisor): Promise<void> {
    await thawed(supervisor, async () => stop(monitorOf(supervisor)));
    // Its brake may have been about to pause it, too: then STOP was taken for the brake's.
    const { state } = supervisor;
    if (state.kind === 'paused' && state.reason === 'memory') await supervisor.tell({ kind: 'suspendRequested' });
  },

  async resumeGuest(supervisor: Supervisor): Promise<void> {
    await thawed(supervisor, async () => cont(monitorOf(supervisor)));
  },

  async wakeGuest(supervisor: Supervisor): Promise<void> {
    await thawed(supervisor, async () => systemWakeup(monitorOf(supervisor)));
  },

  async finishShutdown(supervisor: Supervisor): Promise<void> {
    const { qmp } = supervisor;
    if (!qmp) return;
    try {
      await thawed(supervisor, async () => quitAfterShutdown(qmp));
    } catch (error) {
      // It is ending by itself, as it should.
      if (!(error instanceof QmpError && error.kind === 'closed')) throw error;
    }
  },
};

async function resetGuest(supervisor: Supervisor, resume: boolean): Promise<void> {
  const qmp = monitorOf(supervisor);
  // on_reboot=destroy makes every reset an end; this one was asked for.
  const isFinal = supervisor.launch.lifecycle.onReboot === 'destroy';
  if (isFinal) await setAction(qmp, { reboot: 'reset' });
  await systemReset(qmp);
  await setAction(qmp, { shutdown: afterPoweroff(supervisor), ...(isFinal ? { reboot: 'shutdown' } : {}) });
  if (resume) await contAfterReset(qmp);
}

async function quitAfterShutdown(qmp: QmpClient): Promise<void> {
  if ((await queryStatus(qmp)).status === 'shutdown') await quit(qmp);
}

/** The wall clock has the say: it outlives the daemon, and a timer of this process may be a moment early. */
function waitForDestroy(supervisor: Supervisor): void {
  supervisor.unplan('destroy');
  const { state } = supervisor;
  const due = 'asked' in state ? (state.asked?.destroyAtMs ?? null) : null;
  if (due === null) return;
  const wait = Math.max(0, due - supervisor.services.clock.now()) + 1;
  supervisor.plan('destroy', wait, async () => {
    if (supervisor.services.clock.now() < due) waitForDestroy(supervisor);
    else await supervisor.tell({ kind: 'destroyDue' });
  });
}
