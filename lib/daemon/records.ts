/** What the journal's lines may look like: checked when read, since a file outlives the program that wrote it. */
import { z } from 'zod';
import type { IncarnationState, Launch } from '../domain/incarnation.ts';
import type { Ticket, TicketEnd } from '../domain/ticket.ts';

const process = z.strictObject({ pid: z.int(), startTicks: z.int() });
const ramFiles = z.array(z.strictObject({ name: z.string(), device: z.int(), inode: z.int() }));
const sinceMs = z.int();
// Defaults stand for what the journal of an earlier version does not have.
const askMode = z.enum(['agent', 'acpi']);
const asked = z.strictObject({
  to: z.enum(['shutdown', 'reboot']),
  destroyAtMs: z.int().nullable(),
  lapsesAtMs: z.int().nullable().default(null), // an older record has none
});
const live = {
  hypervisor: process,
  helper: process.nullable(),
  ramFiles,
  asked: asked.nullable().default(null),
  brakedSinceMs: z.int().nullable().default(null),
};

const outcome = z.strictObject({
  kind: z.enum(['shutdown', 'destroyed', 'crashed', 'saved', 'migrated', 'failed', 'host-reboot', 'unknown']),
  exitCode: z.int().nullable(),
  signal: z.int().nullable(),
  rung: z.enum(['itself', 'SIGTERM', 'SIGKILL']),
  oomKilled: z.boolean().nullable(),
  detail: z.string().nullable(),
});

const known = [
  z.strictObject({ kind: z.literal('launching'), sinceMs, hypervisor: process.nullable() }),
  z.strictObject({ kind: z.literal('running'), sinceMs, reason: z.enum(['booted', 'unpaused']), ...live }),
  z.strictObject({
    kind: z.literal('paused'),
    sinceMs,
    reason: z.enum([
      'user',
      'starting up',
      'I/O error',
      'watchdog',
      'panicked',
      'pmsuspended',
      'shutting down',
      'memory',
      'unknown',
    ]),
    ...live,
  }),
  z.strictObject({
    kind: z.literal('stopping'),
    sinceMs,
    byGuest: z.boolean(),
    panicked: z.boolean().default(false),
    ...live,
  }),
  z.strictObject({
    kind: z.literal('exiting'),
    sinceMs,
    hypervisor: process.nullable(),
    helper: process.nullable(),
    ramFiles,
    outcome,
    killFollows: z.boolean(),
    awaitsLaunch: z.boolean(),
    busy: z.array(z.strictObject({ resource: z.string(), probe: z.string(), holder: z.string().nullable() })),
  }),
  z.strictObject({
    kind: z.literal('draining'),
    sinceMs,
    exitingSinceMs: z.int(),
    helper: process.nullable().default(null),
    ramFiles,
    outcome,
    freed: z.array(z.strictObject({ resource: z.string(), probe: z.string() })),
    stalledSinceMs: z.int().nullable(),
    memoryGone: z.boolean().default(false),
  }),
] as const;

const state: z.ZodType<IncarnationState> = z.discriminatedUnion('kind', [
  ...known,
  z.strictObject({ kind: z.literal('released'), sinceMs, outcome }),
  z.strictObject({ kind: z.literal('lost'), sinceMs, reason: z.string(), was: z.discriminatedUnion('kind', known) }),
]);

const mode = z.enum(['exclusive', 'shared']);
const exclusive = z.literal('exclusive');
const claim = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.enum(['image', 'nvram', 'store']),
    path: z.string(),
    device: z.int(),
    inode: z.int(),
    mode,
  }),
  z.strictObject({ kind: z.literal('block'), path: z.string(), device: z.int(), mode }),
  z.strictObject({ kind: z.literal('tap'), name: z.string(), managed: z.boolean(), mode: exclusive }),
  z.strictObject({
    kind: z.literal('port'),
    protocol: z.enum(['tcp', 'udp']),
    address: z.string().nullable(),
    port: z.int(),
    mode: exclusive,
  }),
  z.strictObject({
    kind: z.literal('character'),
    node: z.string(),
    device: z.int(),
    use: z.string(),
    mode: exclusive,
  }),
  z.strictObject({ kind: z.literal('cid'), cid: z.int(), mode: exclusive }),
]);

const requester = z.strictObject({ uid: z.int().nullable(), pid: z.int().nullable() });

const launch: z.ZodType<Launch> = z.strictObject({
  id: z.int().positive(),
  domain: z.string(),
  uuid: z.string(),
  bootId: z.string(),
  cgroup: z.string(),
  memoryBytes: z.int(),
  promisedBytes: z.int(),
  vcpus: z.int(),
  claims: z.array(claim),
  loans: z.array(z.strictObject({ path: z.string(), inode: z.int(), owner: z.int(), borrower: z.int() })).default([]),
  // Absent in records of versions that had none.
  companions: z.array(z.strictObject({ kind: z.enum(['swtpm', 'virtiofsd']), socket: z.string() })).default([]),
  clocks: z.strictObject({ killAfterMs: z.int(), freedTimeoutMs: z.int(), stalledAfterMs: z.int() }),
  shutdown: z.strictObject({ modes: z.array(askMode), forceAfterMs: z.int().nullable() }),
  startPaused: z.boolean().default(false),
  lifecycle: z
    .strictObject({
      onPoweroff: z.enum(['destroy', 'restart']),
      onReboot: z.enum(['restart', 'destroy']),
      onCrash: z.enum(['destroy', 'restart', 'preserve']),
    })
    .default({ onPoweroff: 'destroy', onReboot: 'restart', onCrash: 'destroy' }),
  agentSocket: z.string().nullable().default(null),
  helper: z.enum(['preload', 'qemu', 'none']),
  emulator: z.string(),
  emulatorVersion: z.string(),
  policy: z.string(),
  xml: z.string(),
  requester,
  forced: z
    .strictObject({
      overIncarnations: z.array(z.int()),
      heldDrainingBytes: z.int(),
      shortfallBytes: z.int(),
      sum: z
        .strictObject({
          promisedLiveBytes: z.int(),
          queuedBytes: z.int(),
          allDrainingBytes: z.int(),
          promisedNewBytes: z.int(),
          capacityBytes: z.int(),
          limitBytes: z.int().nullable(),
        })
        .nullable()
        .default(null),
    })
    .nullable(),
  brake: z
    .strictObject({
      capacityBytes: z.int(),
      limitBytes: z.int(),
      margin: z.union([z.literal('auto'), z.int()]),
      onStall: z.enum(['keep', 'kill-helper', 'stop-new']),
    })
    .nullable()
    .default(null),
});

const ticket: z.ZodType<Ticket> = z.strictObject({
  number: z.int().positive(),
  domain: z.string(),
  uuid: z.string(),
  bootId: z.string(),
  force: z.boolean(),
  paused: z.boolean(),
  promisedBytes: z.int().nonnegative(),
  sinceMs: z.int(),
  deadlineMs: z.int().nullable(),
  requester,
});

/** Version of the line format; a line of a later one must not be guessed at. */
export const journalVersion = 1;

const head = { v: z.literal(journalVersion), seq: z.int().positive(), at: z.iso.datetime() };

/**
 * opened: the highest incarnation id ever used, first line of a compacted file. launch: before anything of it exists.
 * queued: before it counts; dequeued: it counts no more, and how its wait ended. state: after each transition, the whole new state and the event that led to it.
 */
export const journalRecord = z.discriminatedUnion('kind', [
  z.strictObject({ ...head, kind: z.literal('opened'), lastId: z.int().nonnegative() }),
  z.strictObject({ ...head, kind: z.literal('launch'), launch, state }),
  z.strictObject({ ...head, kind: z.literal('queued'), ticket }),
  z.strictObject({
    ...head,
    kind: z.literal('dequeued'),
    ticket: z.int().positive(),
    end: z.enum(['started', 'refused', 'cancelled', 'timed out']) satisfies z.ZodType<TicketEnd>,
  }),
  z.strictObject({ ...head, kind: z.literal('state'), incarnation: z.int().positive(), event: z.string(), state }),
]);

export type JournalRecord = z.infer<typeof journalRecord>;
type WithoutHead<R> = R extends JournalRecord ? Omit<R, 'v' | 'seq' | 'at'> : never;
/** A record before it has its number and time. */
export type NewRecord = WithoutHead<JournalRecord>;
