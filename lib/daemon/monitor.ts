/** QMP's side of an incarnation: connects, turns what QEMU says into events of ours, and asks how the guest is after a gap. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Launch, PauseReason } from '../domain/incarnation.ts';
import { type QemuStatus, queryStatus, ready } from '../qemu/commands.ts';
import { QmpClient } from '../qemu/qmp.ts';
import type { QmpEvent } from '../qemu/qmp-messages.ts';
import { takeBrakeAgain } from './brake.ts';
import { type Ears, hear } from './hearing.ts';
import { qmpSocket } from './runtime-files.ts';
import type { NewEvent, Supervisor } from './supervisor.ts';

const reconnectDeadlineMs = 10_000;
const reconnectEveryMs = 1000;

/**
 * Connects to the hypervisor's monitor and keeps the connection. Resolves with the guest's status once QEMU answers
 * `query-status`: its greeting alone does not mean that it is up. Rejects with QmpError, or when `signal` aborts.
 */
export async function connectMonitor(
  supervisor: Supervisor,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<QemuStatus> {
  const ears = earsOf(supervisor);
  const client = await QmpClient.connect(qmpSocket(supervisor.services.places, supervisor.launch.id), {
    deadlineMs,
    signal,
    onEvent: (event) => {
      hear(supervisor, event, ears);
    },
  });
  supervisor.qmp = client;
  return ready(client, { deadlineMs });
}

/**
 * Keeps a monitor connected for as long as the hypervisor lives: connects where none is, asks how the guest is after the
 * gap, and comes again when the connection ends. A hypervisor without a working monitor still runs, and can be destroyed.
 */
export async function keepMonitor(supervisor: Supervisor): Promise<void> {
  while (isLive(supervisor)) {
    try {
      if (!supervisor.qmp) {
        const status = await connectMonitor(supervisor, reconnectDeadlineMs, supervisor.ending.signal);
        await supervisor.tell(eventOfStatus(status, supervisor.launch));
        await brakeAgain(supervisor);
      }
      await supervisor.qmp?.closed;
    } catch (error) {
      if (supervisor.ending.signal.aborted) return;
      supervisor.services.log.warn({ incarnation: supervisor.launch.id, err: error }, 'monitor');
    }
    // QEMU serves one client: a half-dead connection of ours would keep the next one out.
    supervisor.qmp?.close();
    supervisor.qmp = null;
    await sleep(reconnectEveryMs, undefined, { signal: supervisor.ending.signal });
  }
}

async function brakeAgain(supervisor: Supervisor): Promise<void> {
  if (supervisor.qmp) await takeBrakeAgain(supervisor, supervisor.qmp);
}

function isLive({ handle, state }: Supervisor): boolean {
  return handle !== null && (state.kind === 'running' || state.kind === 'paused' || state.kind === 'stopping');
}

/** What the guest's status says after the daemon was away. */
export function eventOfStatus(status: QemuStatus, { lifecycle }: Launch): NewEvent {
  if (status.status === 'shutdown')
    return { kind: 'guestShutdown', byGuest: true, panicked: false, action: lifecycle.onPoweroff };
  return status.running
    ? { kind: 'guestResumed' }
    : { kind: 'guestPaused', reason: pauseReasons.get(status.status) ?? 'unknown' };
}

const pauseReasons: ReadonlyMap<string, PauseReason> = new Map([
  ['paused', 'user'],
  ['prelaunch', 'starting up'],
  ['io-error', 'I/O error'],
  ['watchdog', 'watchdog'],
  ['guest-panicked', 'panicked'],
  ['suspended', 'pmsuspended'],
]);

/** What its events mean, and how its guest is when there were too many of them. */
function earsOf(supervisor: Supervisor): Ears {
  return {
    understand: (event) => translate(event, supervisor),
    async ask() {
      const { qmp, launch } = supervisor;
      return qmp && isLive(supervisor) ? eventOfStatus(await queryStatus(qmp), launch) : null;
    },
  };
}

/** QEMU's event as ours; null for those that change no state. */
function translate(event: QmpEvent, { launch: { lifecycle }, brake }: Supervisor): NewEvent | null {
  switch (event.name) {
    case 'SHUTDOWN':
      return {
        kind: 'guestShutdown',
        byGuest: event.data['guest'] === true,
        panicked: event.data['reason'] === 'guest-panic',
        action: event.data['reason'] === 'guest-shutdown' ? lifecycle.onPoweroff : 'destroy',
      };
    case 'STOP':
      return { kind: 'guestPaused', reason: brake?.isPausing ? 'memory' : 'user' };
    case 'RESUME':
      return { kind: 'guestResumed' };
    case 'POWERDOWN':
      return { kind: 'powerdownSeen' };
    case 'GUEST_PANICKED':
      return { kind: 'guestPanicked', action: lifecycle.onCrash };
    case 'WATCHDOG':
      return { kind: 'watchdogFired', action: word(event.data['action']) };
    case 'BLOCK_IO_ERROR':
      return { kind: 'diskFailed', action: word(event.data['action']) };
    case 'RESET':
      return { kind: 'guestReset' };
    case 'SUSPEND':
      return { kind: 'guestPaused', reason: 'pmsuspended' };
    case 'WAKEUP':
      return { kind: 'guestResumed' };
    default:
      return null;
  }
}

/** A hypervisor may send anything there. */
function word(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
