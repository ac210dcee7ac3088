/** One of each: states, events and launches for tests that go through all of them. The records are exhaustive by type. */
import type {
  IncarnationState,
  KnownState,
  Launch,
  Outcome,
  StateKind,
  StateOf,
} from '../../../lib/domain/incarnation.ts';
import type { Event, EventKind } from '../../../lib/domain/transition-event.ts';

export const hypervisor = { pid: 4711, startTicks: 1000 };
export const helper = { pid: 4712, startTicks: 1001 };
export const ramFiles = [{ name: 'pc.ram', device: 1, inode: 77 }];
export const live = { hypervisor, helper, ramFiles, asked: null, brakedSinceMs: null };
export const outcome: Outcome = {
  kind: 'destroyed',
  exitCode: null,
  signal: null,
  rung: 'SIGTERM',
  oomKilled: null,
  detail: null,
};
export const proofs = [{ resource: 'hypervisor', probe: 'pidfd' }];
export const busy = [{ resource: 'image /a', probe: 'locked at bytes 100', holder: 'cat (pid 9)' }];

const exiting = { kind: 'exiting', sinceMs: 50, helper, ramFiles, outcome, awaitsLaunch: false, busy: [] } as const;

/** Every state; those with a hypervisor that may be null or not stand there twice. */
export const states = {
  'launching, unborn': { kind: 'launching', sinceMs: 10, hypervisor: null },
  'launching, born': { kind: 'launching', sinceMs: 10, hypervisor },
  running: { kind: 'running', sinceMs: 20, reason: 'booted', ...live },
  'running, asked to reboot': {
    ...{ kind: 'running', sinceMs: 20, reason: 'booted', ...live },
    asked: { to: 'reboot', destroyAtMs: null, lapsesAtMs: 3_600_020 },
  },
  'running, asked to shut down by 500': {
    ...{ kind: 'running', sinceMs: 20, reason: 'booted', ...live },
    asked: { to: 'shutdown', destroyAtMs: 500, lapsesAtMs: null },
  },
  paused: { kind: 'paused', sinceMs: 30, reason: 'user', ...live },
  'paused, panicked': { kind: 'paused', sinceMs: 30, reason: 'panicked', ...live },
  'paused, asleep': { kind: 'paused', sinceMs: 30, reason: 'pmsuspended', ...live },
  'running, braked': { kind: 'running', sinceMs: 20, reason: 'booted', ...live, brakedSinceMs: 20 },
  'paused, for memory': { kind: 'paused', sinceMs: 30, reason: 'memory', ...live, brakedSinceMs: 20 },
  'paused, shutting down': { kind: 'paused', sinceMs: 30, reason: 'shutting down', ...live },
  stopping: { kind: 'stopping', sinceMs: 40, byGuest: true, panicked: false, ...live },
  'exiting, alive': { ...exiting, hypervisor, killFollows: true },
  'exiting, gone': { ...exiting, hypervisor: null, killFollows: false },
  'exiting, unborn': { ...exiting, hypervisor: null, killFollows: false, awaitsLaunch: true },
  draining: {
    kind: 'draining',
    sinceMs: 60,
    exitingSinceMs: 50,
    helper,
    ramFiles,
    outcome,
    freed: proofs,
    stalledSinceMs: null,
    memoryGone: false,
  },
  'draining, stalled': {
    kind: 'draining',
    sinceMs: 60,
    exitingSinceMs: 50,
    helper,
    ramFiles,
    outcome,
    freed: proofs,
    stalledSinceMs: 65,
    memoryGone: false,
  },
  released: { kind: 'released', sinceMs: 70, outcome },
} as const satisfies Record<string, IncarnationState>;

/** Fails to compile when a kind of state has no sample. */
export const stateOfKind: { readonly [K in StateKind]: StateOf<K> } = {
  launching: states['launching, born'],
  running: states.running,
  paused: states.paused,
  stopping: states.stopping,
  exiting: states['exiting, alive'],
  draining: states.draining,
  released: states.released,
  lost: lost(states.running),
};

export function lost(was: KnownState): StateOf<'lost'> {
  return { kind: 'lost', sinceMs: 80, reason: 'memory.stat: EIO', was };
}

export const atMs = 1000;

/** The plainest event of each kind; fails to compile when one is missing. */
export const eventOfKind: { readonly [K in EventKind]: Extract<Event, { kind: K }> } = {
  startRequested: { atMs, kind: 'startRequested' },
  forceStartRequested: { atMs, kind: 'forceStartRequested' },
  shutdownRequested: { atMs, kind: 'shutdownRequested', modes: ['agent', 'acpi'], destroyAtMs: null },
  rebootRequested: { atMs, kind: 'rebootRequested', modes: ['acpi'] },
  resetRequested: { atMs, kind: 'resetRequested' },
  suspendRequested: { atMs, kind: 'suspendRequested' },
  resumeRequested: { atMs, kind: 'resumeRequested' },
  destroyRequested: { atMs, kind: 'destroyRequested', graceful: false },
  hypervisorSpawned: { atMs, kind: 'hypervisorSpawned', hypervisor },
  launched: { atMs, kind: 'launched', helper, ramFiles, paused: false, braked: false },
  unbraked: { atMs, kind: 'unbraked' },
  launchFailed: { atMs, kind: 'launchFailed', detail: 'no such machine' },
  powerdownSeen: { atMs, kind: 'powerdownSeen' },
  guestPaused: { atMs, kind: 'guestPaused', reason: 'I/O error' },
  guestResumed: { atMs, kind: 'guestResumed' },
  guestShutdown: { atMs, kind: 'guestShutdown', byGuest: true, panicked: false, action: 'destroy' },
  guestPanicked: { atMs, kind: 'guestPanicked', action: 'destroy' },
  watchdogFired: { atMs, kind: 'watchdogFired', action: 'reset' },
  diskFailed: { atMs, kind: 'diskFailed', action: 'report' },
  askFailed: { atMs, kind: 'askFailed' },
  guestReset: { atMs, kind: 'guestReset' },
  hypervisorExited: { atMs, kind: 'hypervisorExited', exitCode: null, signal: 9, detail: 'last words' },
  resourcesBusy: { atMs, kind: 'resourcesBusy', busy },
  resourcesFree: { atMs, kind: 'resourcesFree', proofs },
  stalled: { atMs, kind: 'stalled', stillMs: 5 },
  progressed: { atMs, kind: 'progressed' },
  memoryGone: { atMs, kind: 'memoryGone', oomKilled: false },
  cgroupRemoved: { atMs, kind: 'cgroupRemoved' },
  destroyDue: { atMs, kind: 'destroyDue' },
  killDue: { atMs, kind: 'killDue' },
  stragglersDue: { atMs, kind: 'stragglersDue' },
  factsUnreadable: { atMs, kind: 'factsUnreadable', reason: 'cgroup.events: EIO' },
  factsRead: { atMs, kind: 'factsRead', hypervisor: 'alive' },
  hostRebooted: { atMs, kind: 'hostRebooted' },
};

export const launch: Launch = {
  id: 7,
  domain: 'web1',
  uuid: '11111111-2222-4333-8444-555555555555',
  bootId: 'boot-a',
  cgroup: '/domctl/vm-web1/7',
  memoryBytes: 2 ** 30,
  promisedBytes: 2 ** 30 + 2 ** 20,
  vcpus: 2,
  claims: [{ kind: 'image', path: '/images/a.qcow2', device: 5, inode: 6, mode: 'exclusive' }],
  loans: [{ path: '/images/a.qcow2', inode: 6, owner: 0, borrower: 64_055 }],
  companions: [{ kind: 'swtpm', socket: 'swtpm.sock' }],
  clocks: { killAfterMs: 10_000, freedTimeoutMs: 40_000, stalledAfterMs: 5000 },
  shutdown: { modes: ['agent', 'acpi'], forceAfterMs: null },
  startPaused: false,
  lifecycle: { onPoweroff: 'destroy', onReboot: 'restart', onCrash: 'destroy' },
  agentSocket: null,
  helper: 'qemu',
  emulator: '/usr/bin/qemu-system-x86_64',
  emulatorVersion: '10.0.2',
  policy: 'balanced',
  xml: "<domain type='qemu'><name>web1</name></domain>",
  requester: { uid: 0, pid: 4242 },
  forced: null,
  brake: null,
};
