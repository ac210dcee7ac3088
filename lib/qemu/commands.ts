/**
 * The QMP commands domctl uses, typed. What it reads from an answer is checked here; a wrong shape is a QmpError of
 * kind `protocol`. All take the deadline of one command and reject as `QmpClient.execute` does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { QmpError } from './qmp-error.ts';
import type { ExecuteOptions, QmpClient } from './qmp.ts';

type Timing = Pick<ExecuteOptions, 'deadlineMs'>;

const statusSchema = z.object({ status: z.string(), running: z.boolean() });

/** `status` is QEMU's RunState, e.g. `prelaunch`, `running`, `paused`, `shutdown`. */
export type QemuStatus = z.infer<typeof statusSchema>;

/** The state the hypervisor says it is in. */
export async function queryStatus(client: QmpClient, timing: Timing = {}): Promise<QemuStatus> {
  return read('query-status', statusSchema, await client.execute('query-status', undefined, timing));
}

/**
 * Resolves when the hypervisor is up. The greeting alone is not: it is sent while devices are still being made, and a
 * QEMU that fails to lock its disk has greeted before it exits. A status is answered only by the main loop.
 */
export async function ready(client: QmpClient, timing: Timing = {}): Promise<QemuStatus> {
  return await queryStatus(client, timing);
}

/** Lets the virtual processors run. */
export async function cont(client: QmpClient, timing: Timing = {}): Promise<void> {
  await client.execute('cont', undefined, timing);
}

/** Holds the virtual processors. */
export async function stop(client: QmpClient, timing: Timing = {}): Promise<void> {
  await client.execute('stop', undefined, timing);
}

/** Presses the power button; what follows is the guest's decision. */
export async function systemPowerdown(client: QmpClient, timing: Timing = {}): Promise<void> {
  await client.execute('system_powerdown', undefined, timing);
}

const resetPauseMs = 20;
const resetTries = 250;

/** `cont` after `system_reset`, which the hypervisor carries out a moment after it said yes; refused until then. */
export async function contAfterReset(client: QmpClient, timing: Timing = {}): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await cont(client, timing);
      return;
    } catch (error) {
      if (!(error instanceof QmpError && error.kind === 'refused') || tries >= resetTries) throw error;
      await sleep(resetPauseMs);
    }
  }
}

/** Asks the hypervisor to end itself. A connection that ends instead of an answer means it does. */
export async function quit(client: QmpClient, timing: Timing = {}): Promise<void> {
  try {
    await client.execute('quit', undefined, timing);
  } catch (error) {
    if (!(error instanceof QmpError && error.kind === 'closed')) throw error;
  }
}

/** Asks the guest to shrink or grow to `bytes`; refused with class `DeviceNotActive` without a balloon device. */
export async function balloon(client: QmpClient, bytes: number, timing: Timing = {}): Promise<void> {
  await client.execute('balloon', { value: bytes }, timing);
}

const balloonSchema = z.object({ actual: z.int().nonnegative() });

/** Bytes of memory the guest has now; refused with class `DeviceNotActive` without a balloon device. */
export async function queryBalloon(client: QmpClient, timing: Timing = {}): Promise<number> {
  return read('query-balloon', balloonSchema, await client.execute('query-balloon', undefined, timing)).actual;
}

function read<Answer>(command: string, shape: z.ZodType<Answer>, answer: unknown): Answer {
  const { data, error } = shape.safeParse(answer);
  if (error) throw new QmpError(command, 'protocol', 'an answer of another shape', { cause: error });
  return data;
}
