/**
 * The QMP commands domctl uses, typed. What it reads from an answer is checked here; a wrong shape is a QmpError of
 * kind `protocol`. All take the deadline of one command and reject as `QmpClient.execute` does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { WatchdogAction } from '../domain/devices.ts';
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

/** The guest tells of its memory every `seconds` from now on; refused without a balloon of that id. */
export async function pollBalloon(
  client: QmpClient,
  seconds: number,
  id = 'balloon0',
  timing: Timing = {},
): Promise<void> {
  const property = 'guest-stats-polling-interval';
  await client.execute('qom-set', { path: `/machine/peripheral/${id}`, property, value: seconds }, timing);
}

const balloonSchema = z.object({ actual: z.int().nonnegative() });

/** Bytes of memory the guest has now; refused with class `DeviceNotActive` without a balloon device. */
export async function queryBalloon(client: QmpClient, timing: Timing = {}): Promise<number> {
  return read('query-balloon', balloonSchema, await client.execute('query-balloon', undefined, timing)).actual;
}

/** Resets the machine as its button does. */
export async function systemReset(client: QmpClient, timing: Timing = {}): Promise<void> {
  await client.execute('system_reset', undefined, timing);
}

/** Wakes a guest that suspended to memory; refused unless it is. */
export async function systemWakeup(client: QmpClient, timing: Timing = {}): Promise<void> {
  await client.execute('system_wakeup', undefined, timing);
}

/** What QEMU does by itself at each end of the guest; what is not named stays as it is. */
export interface Actions {
  readonly reboot?: 'reset' | 'shutdown';
  readonly shutdown?: 'poweroff' | 'pause';
  readonly panic?: 'pause' | 'shutdown' | 'exit-failure' | 'none';
  readonly watchdog?: WatchdogAction;
}

/** Exchanges what follows an end of the guest, at any time. */
export async function setAction(client: QmpClient, actions: Actions, timing: Timing = {}): Promise<void> {
  await client.execute('set-action', actions, timing);
}

/** Plugs the cable of a network card in or out; `id` is the device's, e.g. `net0`. */
export async function setLink(client: QmpClient, id: string, up: boolean, timing: Timing = {}): Promise<void> {
  await client.execute('set_link', { name: id, up }, timing);
}

/** Holds a disk to limits; `parameters` are those of `throttleArguments`, the device's id among them. */
export async function setThrottle(
  client: QmpClient,
  parameters: Readonly<Record<string, string | number>>,
  timing: Timing = {},
): Promise<void> {
  await client.execute('block_set_io_throttle', parameters, timing);
}

/** Sends every virtual processor a non-maskable interrupt. */
export async function injectNmi(client: QmpClient, timing: Timing = {}): Promise<void> {
  await client.execute('inject-nmi', undefined, timing);
}

const chardevSchema = z.array(
  z
    .object({ label: z.string(), filename: z.string(), 'frontend-open': z.boolean() })
    .transform(({ label, filename, 'frontend-open': frontendOpen }) => ({ label, filename, frontendOpen })),
);

/**
 * A character device: `filename` is QEMU's description of what is behind it, `pty:/dev/pts/3` for a pty; `frontendOpen`:
 * somebody in the guest has it open.
 */
export type ChardevInfo = z.infer<typeof chardevSchema>[number];

/** Every character device, the monitor's own among them. */
export async function queryChardev(client: QmpClient, timing: Timing = {}): Promise<ChardevInfo[]> {
  return read('query-chardev', chardevSchema, await client.execute('query-chardev', undefined, timing));
}

const cpusSchema = z.array(
  z
    .object({ 'cpu-index': z.int().nonnegative(), 'thread-id': z.int().positive() })
    .transform((cpu) => ({ index: cpu['cpu-index'], threadId: cpu['thread-id'] })),
);

/** A virtual processor and the thread of the host that runs it. */
export type CpuInfo = z.infer<typeof cpusSchema>[number];

/** The virtual processors there are now. */
export async function queryCpus(client: QmpClient, timing: Timing = {}): Promise<CpuInfo[]> {
  return read('query-cpus-fast', cpusSchema, await client.execute('query-cpus-fast', undefined, timing));
}

const iothreadsSchema = z
  .array(z.object({ id: z.string(), 'thread-id': z.int().positive() }))
  .transform((list) => list.map((one) => ({ name: one.id, threadId: one['thread-id'] })));

/** A thread that serves disks, by its name in QEMU. */
export type IoThreadInfo = z.infer<typeof iothreadsSchema>[number];

/** The threads that serve disks. */
export async function queryIoThreads(client: QmpClient, timing: Timing = {}): Promise<IoThreadInfo[]> {
  return read('query-iothreads', iothreadsSchema, await client.execute('query-iothreads', undefined, timing));
}

const count = z.number().nonnegative();
const blockStatsSchema = z.array(
  z.object({
    qdev: z.string().optional(),
    stats: z.object({
      rd_operations: count,
      rd_bytes: count,
      rd_total_time_ns: count,
      wr_operations: count,
      wr_bytes: count,
      wr_total_time_ns: count,
      flush_operations: count,
      flush_total_time_ns: count,
      wr_highest_offset: count,
    }),
  }),
);
const blockSchema = z.array(
  z.object({
    qdev: z.string().optional(),
    inserted: z.object({ file: z.string(), image: z.object({ 'virtual-size': count }) }).optional(),
  }),
);

/** How often and how long one device's image was used; bytes, and nanoseconds in all. */
export interface BlockStats {
  /** Id of the device the guest sees, as `diskId` has it; null: it has none. */
  readonly device: string | null;
  /** Path of the image; null: no medium in the drive. */
  readonly file: string | null;
  readonly reads: { readonly requests: number; readonly bytes: number; readonly timeNs: number };
  readonly writes: { readonly requests: number; readonly bytes: number; readonly timeNs: number };
  readonly flushes: { readonly requests: number; readonly timeNs: number };
  /** Highest byte that was written to; what the guest sees as the disk's size, null without a medium. */
  readonly highestOffsetBytes: number;
  readonly capacityBytes: number | null;
}

/** Figures of every block device of the guest, in QEMU's order. */
export async function queryBlockStats(client: QmpClient, timing: Timing = {}): Promise<readonly BlockStats[]> {
  const [stats, blocks] = await Promise.all([
    client.execute('query-blockstats', undefined, timing),
    client.execute('query-block', undefined, timing),
  ]);
  const media = new Map(read('query-block', blockSchema, blocks).map(({ qdev, inserted }) => [qdev, inserted]));
  return read('query-blockstats', blockStatsSchema, stats).map((device) => {
    const medium = media.get(device.qdev);
    const { file = null, image } = medium ?? {};
    return { device: idOf(device.qdev), file, ...toBlockStats(device.stats, image?.['virtual-size'] ?? null) };
  });
}

/** A device is told by its id, or by the path of a part of it: /machine/peripheral/virtio-disk0/virtio-backend. */
function idOf(qdev: string | undefined): string | null {
  return /^(?:\/machine\/peripheral\/)?(?<id>[^/]+)/.exec(qdev ?? '')?.groups?.['id'] ?? null;
}

function toBlockStats(
  stats: z.infer<typeof blockStatsSchema>[number]['stats'],
  capacityBytes: number | null,
): Omit<BlockStats, 'device' | 'file'> {
  return {
    reads: { requests: stats.rd_operations, bytes: stats.rd_bytes, timeNs: stats.rd_total_time_ns },
    writes: { requests: stats.wr_operations, bytes: stats.wr_bytes, timeNs: stats.wr_total_time_ns },
    flushes: { requests: stats.flush_operations, timeNs: stats.flush_total_time_ns },
    highestOffsetBytes: stats.wr_highest_offset,
    capacityBytes,
  };
}

function read<Answer>(command: string, shape: z.ZodType<Answer>, answer: unknown): Answer {
  const { data, error } = shape.safeParse(answer);
  if (error) throw new QmpError(command, 'protocol', 'an answer of another shape', { cause: error });
  return data;
}
