/**
 * What is told to those who listen, from what has become of an incarnation or what its hypervisor said: virsh's events in
 * virsh's words, and our own where virsh has none. Pure and total: a state, reason or outcome without words does not compile.
 * Order and wording that differ from libvirt's are in docs/decisions/0013.
 */
import type {
  IncarnationState,
  KnownState,
  Launch,
  Outcome,
  OutcomeKind,
  PauseReason,
  StateOf,
} from './incarnation.ts';

/** Every event there is: virsh's first, then ours. */
export const eventNames = [
  'lifecycle',
  'reboot',
  'watchdog',
  'io-error',
  'tray-change',
  'pm-wakeup',
  'pm-suspend',
  'balloon-change',
  'agent-lifecycle',
  'exiting',
  'draining',
  'stalled',
  'released',
  'braked',
  'unbraked',
  'lost',
  'found',
  'autostart-refused',
] as const;
export type EventName = (typeof eventNames)[number];

/** Flat facts of an event, for programs. Bytes and milliseconds by their names; null: unknown. */
export type EventData = Readonly<Record<string, string | number | boolean | null>>;

/** One thing that happened. `text` is virsh's words after the name; '' where virsh has none. */
export interface Happening {
  readonly event: EventName;
  readonly text: string;
  readonly data: EventData;
}

/** Readings of the moment, bytes; null: unknown. */
export interface Figures {
  readonly heldBytes: number | null;
  /** What it held when its drain began. */
  readonly fromBytes: number | null;
}

type Was = KnownState | StateOf<'released'>;

/** What a change of state means to those who listen, in the order in which it is told. Most changes mean nothing. */
export function happenings(
  launch: Launch,
  before: IncarnationState,
  after: IncarnationState,
  figures: Figures,
): readonly Happening[] {
  if (after.kind === 'lost') return before.kind === 'lost' ? [] : [ours('lost', { reason: after.reason })];
  const was = before.kind === 'lost' ? before.was : before;
  const found = before.kind === 'lost' ? [ours('found', { state: after.kind })] : [];
  return [...found, ...entered(launch, was, after, figures), ...braking(launch, was, after)];
}

function entered(launch: Launch, was: Was, after: Was, figures: Figures): readonly Happening[] {
  switch (after.kind) {
    case 'launching':
      return [];
    case 'running':
      return ran(launch, was);
    case 'paused':
      return paused(launch, was, after.reason);
    case 'stopping':
      return was.kind === 'stopping' ? [] : [lifecycle(finished(after.byGuest))];
    case 'exiting':
      return was.kind === 'exiting' ? [] : [ours('exiting', outcomeData(after.outcome))];
    case 'draining':
      return drained(was, after, figures);
    case 'released':
      return was.kind === 'released' ? [] : released(was, after, figures);
  }
}

/** A brake that ends with its machine is not told: it was never lifted. */
function braking(launch: Launch, was: Was, after: IncarnationState): readonly Happening[] {
  if (!('brakedSinceMs' in after)) return [];
  const before = 'brakedSinceMs' in was ? was.brakedSinceMs : null;
  if (before === after.brakedSinceMs) return [];
  const { limitBytes = null } = launch.brake ?? {};
  const { promisedBytes } = launch;
  return [
    after.brakedSinceMs === null ? ours('unbraked', { promisedBytes }) : ours('braked', { limitBytes, promisedBytes }),
  ];
}

/** libvirt says Resumed first; nobody takes a machine for resumed that has not started. */
function ran(launch: Launch, was: Was): readonly Happening[] {
  switch (was.kind) {
    case 'launching':
      return [started(launch), lifecycle('Resumed Unpaused')];
    case 'paused':
      return [lifecycle(resumedWords[was.reason])];
    case 'stopping':
      return [lifecycle('Resumed Unpaused')];
    case 'running':
    case 'exiting':
    case 'draining':
    case 'released':
      return [];
  }
}

function paused(launch: Launch, was: Was, reason: PauseReason): readonly Happening[] {
  if (was.kind === 'paused' && was.reason === reason) return [];
  const suspended = lifecycle(pausedWords[reason], { reason });
  return was.kind === 'launching' ? [started(launch), suspended] : [suspended];
}

const pausedWords: Readonly<Record<PauseReason, string>> = {
  user: 'Suspended Paused',
  'starting up': 'Suspended Paused',
  'I/O error': 'Suspended I/O Error',
  watchdog: 'Suspended Watchdog',
  panicked: 'Crashed Panicked',
  pmsuspended: 'PMSuspended Memory',
  'shutting down': 'Shutdown Finished after guest request',
  memory: 'Suspended Memory',
  unknown: 'Suspended Paused',
};

/** By the reason it was paused for. */
const resumedWords: Readonly<Record<PauseReason, string>> = {
  user: 'Resumed Unpaused',
  'starting up': 'Resumed Unpaused',
  'I/O error': 'Resumed Unpaused',
  watchdog: 'Resumed Unpaused',
  panicked: 'Resumed Unpaused',
  pmsuspended: 'Started Event wakeup',
  'shutting down': 'Resumed Unpaused',
  memory: 'Resumed Unpaused',
  unknown: 'Resumed Unpaused',
};

function started({ forced }: Launch): Happening {
  return lifecycle('Started Booted', forced === null ? {} : { over: forced.overIncarnations.join(' ') });
}

function finished(byGuest: boolean): string {
  return `Shutdown Finished after ${byGuest ? 'guest' : 'host'} request`;
}

/** A stall is told once, with how long bytes fell before it. */
function drained(was: Was, after: StateOf<'draining'>, { heldBytes }: Figures): readonly Happening[] {
  if (was.kind !== 'draining')
    return [ours('draining', { heldBytes, freedAfterMs: after.sinceMs - after.exitingSinceMs })];
  const stalls = was.stalledSinceMs === null && after.stalledSinceMs !== null;
  return stalls ? [ours('stalled', { heldBytes, drainingForMs: after.stalledSinceMs - after.sinceMs })] : [];
}

/** `Stopped` waits for the proof that nothing is left: it is what virsh's users start the next one on. */
function released(was: Was, after: StateOf<'released'>, { fromBytes }: Figures): readonly Happening[] {
  const drain =
    was.kind === 'draining'
      ? {
          fromBytes,
          freedAfterMs: was.sinceMs - was.exitingSinceMs,
          releasedAfterMs: after.sinceMs - was.exitingSinceMs,
        }
      : {};
  const data = outcomeData(after.outcome);
  return [ours('released', { ...data, ...drain }), lifecycle(`Stopped ${stoppedWords[after.outcome.kind]}`, data)];
}

const stoppedWords: Readonly<Record<OutcomeKind, string>> = {
  shutdown: 'Shutdown',
  destroyed: 'Destroyed',
  crashed: 'Crashed',
  saved: 'Saved',
  migrated: 'Migrated',
  failed: 'Failed',
  'host-reboot': 'Failed',
  unknown: 'Failed',
};

function outcomeData({ kind, exitCode, signal, rung, oomKilled, detail }: Outcome): EventData {
  return { outcome: kind, exitCode, signal, rung, oomKilled, detail };
}

/** What virsh says of a definition: its words, by what was done. */
export function definitionHappening(what: 'added' | 'updated' | 'removed'): Happening {
  return lifecycle({ added: 'Defined Added', updated: 'Defined Updated', removed: 'Undefined Removed' }[what]);
}

/** A domain that was to be started with the host was not: the error's code, and its sentence. */
export function refusedAutostart(code: string, reason: string): Happening {
  return ours('autostart-refused', { code, reason });
}

/** What QEMU said, as far as it matters beside the change of state it brings. */
export interface Said {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** QEMU's event in virsh's words; null for those that are told as a change of state, or to nobody. */
export function hypervisorHappening(
  said: Said,
  about: { readonly state: IncarnationState; readonly agentPort: string | null },
): Happening | null {
  return own(translations, said.name)?.(said.data, about) ?? null;
}

type Translation = (data: Said['data'], about: Parameters<typeof hypervisorHappening>[1]) => Happening | null;

const translations: Readonly<Record<string, Translation>> = {
  // While it is ended from here no state follows from it: then it is told as QEMU says it.
  SHUTDOWN: (data, { state }) => (state.kind === 'exiting' ? lifecycle(finished(data['guest'] === true)) : null),
  RESET: (data) => plain('reboot', '', { byGuest: data['guest'] === true }),
  WATCHDOG: (data) => plain('watchdog', word(data['action']), { action: word(data['action']) }),
  BLOCK_IO_ERROR: ioError,
  // With `pause` it is told as the state it leads to.
  GUEST_PANICKED: (data) => (data['action'] === 'pause' ? null : lifecycle('Crashed Panicked')),
  VSERPORT_CHANGE: (data, { agentPort }) => (data['id'] === agentPort ? agentLifecycle(data['open'] === true) : null),
  BALLOON_CHANGE: ({ actual }) =>
    typeof actual === 'number'
      ? plain('balloon-change', `${Math.floor(actual / 1024)}KiB`, { actualBytes: actual })
      : null,
  DEVICE_TRAY_MOVED: (data) => trayChange(word(data['id']), data['tray-open'] === true),
  SUSPEND: () => plain('pm-suspend', ''),
  WAKEUP: () => plain('pm-wakeup', ''),
};

const ioActions: Readonly<Record<string, string>> = { ignore: 'none', stop: 'pause', report: 'report' };

function ioError(data: Said['data']): Happening {
  const device = deviceOf(word(data['qom-path'])) || word(data['device']);
  const action = own(ioActions, word(data['action'])) ?? 'none';
  const node = word(data['node-name']);
  const facts = { device, node, action, operation: word(data['operation']), reason: word(data['reason']) };
  return plain('io-error', `${node} (${device}) ${action}`, facts);
}

/** `/machine/peripheral/virtio-disk0/virtio-backend`: the device's id is the third part. */
function deviceOf(path: string): string {
  return /^\/machine\/peripheral\/([^/]+)/.exec(path)?.[1] ?? '';
}

function agentLifecycle(connected: boolean): Happening {
  const state = connected ? 'connected' : 'disconnected';
  return plain('agent-lifecycle', `state: '${state}' reason: 'channel event'`, { state });
}

function trayChange(device: string, open: boolean): Happening {
  const state = open ? 'opened' : 'closed';
  return plain('tray-change', `disk ${device}: ${state}`, { device, state });
}

/** Longer ones are none of QEMU's. */
const longestWord = 256;

/** What a hypervisor says may be anything, and is shown: on one line, and not more than a word. */
function word(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, longestWord).replace(/[\p{Cc}\p{Cf}]+/gu, ' ') : '';
}

/** By a key that somebody else chose: `constructor` names nothing here. */
function own<Value>(table: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function lifecycle(text: string, data: EventData = {}): Happening {
  return { event: 'lifecycle', text, data };
}

function plain(event: EventName, text: string, data: EventData = {}): Happening {
  return { event, text, data };
}

function ours(event: EventName, data: EventData): Happening {
  return { event, text: '', data };
}
