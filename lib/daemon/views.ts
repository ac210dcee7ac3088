/** What the daemon shows: its domains and incarnations as the contract's JSON. Reads the kernel afresh for every question. */
import { sum } from '../admission/ledger.ts';
import type {
  DomainInfo,
  DomainRow,
  DrainAnswer,
  DrainFields,
  DrainRow,
  HeldFields,
  IncarnationInfo,
  QueuedInfo,
  ResourcesAnswer,
} from '../client/contract.ts';
import type { Claim } from '../domain/claims.ts';
import type { Domain } from '../domain/definition.ts';
import type { Incarnation, ProcessIdentity } from '../domain/incarnation.ts';
import { isRebooting } from '../domain/transition-moves.ts';
import { stateReason, stateWord } from '../domain/words.ts';
import { readHugePools } from '../host/huge-pools.ts';
import { readProcess } from '../host/processes.ts';
import { combine, type Reading } from '../reading.ts';
import { formatShare } from '../policy/values.ts';
import { type Books, Charges, isDraining, outlook, readLedger } from './accounts.ts';
import { readCompanions } from './companions.ts';
import { currentOf, type Entry, type Fleet } from './fleet.ts';
import { waitersOf } from './start-queue.ts';
import type { Supervisor } from './supervisor.ts';

export function listDomains(fleet: Fleet): DomainRow[] {
  const queued = queuedView(fleet);
  return fleet.entries.map((entry) => domainRow(entry, queued)).sort(byIdThenName);
}

/** The starts that wait, in their order. */
function queuedView(fleet: Fleet): QueuedInfo[] {
  return waitersOf(fleet).map(({ ticket, refusal, attended }, index) => ({
    position: index + 1,
    name: ticket.domain,
    verb: ticket.force ? 'force-start' : 'start',
    promisedBytes: ticket.promisedBytes,
    since: isoTime(ticket.sinceMs),
    waitingMs: Math.max(0, Date.now() - ticket.sinceMs),
    deadline: ticket.deadlineMs === null ? null : isoTime(ticket.deadlineMs),
    requester: ticket.requester,
    attended,
    refusal: refusal && { code: refusal.code, message: refusal.message },
  }));
}

/** As virsh: active ones by id, then the others by name whatever their case. */
function byIdThenName(a: DomainRow, b: DomainRow): number {
  if (a.id !== null && b.id !== null) return a.id - b.id;
  if (a.id === null && b.id === null) return a.name.toLowerCase().localeCompare(b.name.toLowerCase());
  return a.id === null ? 1 : -1;
}

export function domainRow(entry: Entry, queued: readonly QueuedInfo[] = [], charges = new Charges()): DomainRow {
  const current = currentOf(entry.supervisors);
  const last: Incarnation | null = current ?? entry.lastReleased;
  const { uuid, memoryBytes } = shapeOf(entry, current);
  return {
    id: current?.launch.id ?? null,
    name: entry.name,
    uuid,
    state: current ? stateWord(current.state) : 'shut off',
    reason: stateReason(last?.state ?? null),
    memoryBytes,
    persistent: entry.definition !== null,
    autostart: entry.autostart,
    queued: queued.find(({ name }) => name === entry.name) ?? null,
    ...heldFields(heldTogether(entry.supervisors, charges)),
    ...drainFields(entry.supervisors, charges),
  };
}

type Shape = Pick<Domain, 'uuid' | 'memoryBytes' | 'vcpus' | 'policy'>;

/** What a domain is: what it runs with, else its definition; an entry always has one of them. */
function shapeOf(entry: Entry, current: Supervisor | null): Shape {
  return current?.launch ?? entry.definition ?? { uuid: '', memoryBytes: 0, vcpus: 0, policy: null };
}

function heldTogether(supervisors: readonly Supervisor[], charges: Charges): Reading<number> {
  return combine(
    supervisors.map((one) => charges.held(one)),
    sum,
  );
}

function heldFields(held: Reading<number>): HeldFields {
  return held.known ? { heldBytes: held.value } : { heldBytes: null, heldUnknown: held.reason };
}

/** Sum over those draining; bytes are 0 when none is, null when one cannot be read. */
function drainFields(supervisors: readonly Supervisor[], charges: Charges): DrainFields {
  const draining = supervisors.filter(isDraining);
  const held = heldTogether(draining, charges);
  const etas = draining.map((one) => outlook(one).etaMs);
  return {
    drainingBytes: held.known ? held.value : null,
    drainRateBytes: drainRate(supervisors),
    drainEtaMs: etas.length === 0 || etas.includes(null) ? null : Math.max(...etas.filter((eta) => eta !== null)),
  };
}

/** How fast those draining give memory back, together; null when none is. Reads nothing. */
export function drainRate(supervisors: readonly Supervisor[]): number | null {
  const draining = supervisors.filter(isDraining);
  return draining.length === 0 ? null : sum(draining.map((one) => outlook(one).rateBytes ?? 0));
}

export function domainInfo(fleet: Fleet, entry: Entry): DomainInfo {
  const current = currentOf(entry.supervisors);
  const { vcpus, policy } = shapeOf(entry, current);
  const charges = new Charges();
  return {
    ...domainRow(entry, queuedView(fleet), charges),
    vcpus,
    policy,
    pid: current && pidOf(current),
    cgroup: current && current.launch.cgroup,
    incarnations: entry.supervisors.toReversed().map((one) => incarnationInfo(one, charges)),
    lastOutcome: entry.lastReleased && outcomeOf(entry.lastReleased),
    queuedStart: entry.queued !== null,
    qemuArguments: entry.definition?.qemuCommandline?.args ?? [],
  };
}

function outcomeOf({ launch, state }: Incarnation): DomainInfo['lastOutcome'] {
  if (state.kind !== 'released') return null;
  return { ...state.outcome, id: launch.id, releasedAt: isoTime(state.sinceMs) };
}

function incarnationInfo(supervisor: Supervisor, charges: Charges): IncarnationInfo {
  const { launch, state } = supervisor;
  return {
    id: launch.id,
    state: stateWord(state),
    reason: stateReason(state),
    since: isoTime(state.sinceMs),
    pid: pidOf(supervisor),
    helperPid: 'helper' in state && state.helper ? state.helper.pid : null,
    helper: helperWord(supervisor),
    heldAs: charges.kinds(supervisor),
    companions: companionRows(supervisor),
    cgroup: launch.cgroup,
    promisedBytes: launch.promisedBytes,
    policy: launch.policy,
    emulator: launch.emulator,
    emulatorVersion: launch.emulatorVersion,
    requester: launch.requester,
    asked: askedOf(supervisor),
    startedOver: launch.forced?.overIncarnations ?? [],
    brake: brakeOf(supervisor),
    ...endFields(supervisor),
    ...heldFields(charges.held(supervisor)),
    ...drainFields([supervisor], charges),
  };
}

function brakeOf({ state, launch, brake }: Supervisor): IncarnationInfo['brake'] {
  if (launch.brake === null || !('brakedSinceMs' in state) || state.brakedSinceMs === null) return null;
  const { limitBytes = null, frozenMs = null } = brake?.status ?? {};
  return { since: isoTime(state.brakedSinceMs), beganWithBytes: launch.brake.limitBytes, limitBytes, frozenMs };
}

function askedOf({ state, services }: Supervisor): IncarnationInfo['asked'] {
  if (!('asked' in state) || state.asked === null) return null;
  if (state.asked.to === 'reboot' && !isRebooting(state, services.clock.now())) return null;
  const { to, destroyAtMs } = state.asked;
  return { to, destroyAt: destroyAtMs === null ? null : isoTime(destroyAtMs) };
}

/** What only an incarnation on its way out has. */
function endFields(
  supervisor: Supervisor,
): Pick<IncarnationInfo, 'busy' | 'freed' | 'freedAfterMs' | 'stalledForMs' | 'holder'> {
  const { state, holder } = supervisor;
  if (state.kind !== 'draining') {
    return {
      busy: state.kind === 'exiting' ? state.busy : [],
      freed: [],
      freedAfterMs: null,
      stalledForMs: null,
      holder: null,
    };
  }
  const freedAfterMs = state.sinceMs - state.exitingSinceMs;
  return { busy: [], freed: state.freed, freedAfterMs, stalledForMs: stalledFor(supervisor), holder };
}

function pidOf({ state }: Supervisor): number | null {
  return 'hypervisor' in state ? (state.hypervisor?.pid ?? null) : null;
}

function companionRows(supervisor: Supervisor): IncarnationInfo['companions'] {
  return readCompanions(supervisor).map(({ companion: { kind }, processes: [first] }) => ({
    kind,
    pid: first?.pid ?? null,
  }));
}

/** No hypervisor asks after its helper: one that has ended stays until its parent does. */
function isAtWork(helper: ProcessIdentity | null): helper is ProcessIdentity {
  const facts = helper && readProcess(helper.pid);
  return facts?.identity.startTicks === helper?.startTicks && facts?.exiting === false;
}

const helperWords = { preload: 'preload, sandboxed', qemu: 'qemu, outside the sandbox', none: 'none' } as const;

/** `lost`: it was asked for, and it is gone while the hypervisor lives: the next exit will be slow. */
function helperWord({ launch, state }: Supervisor): IncarnationInfo['helper'] {
  const live = state.kind === 'running' || state.kind === 'paused' || state.kind === 'stopping';
  const lost = live && launch.helper !== 'none' && !isAtWork(state.helper);
  return lost ? 'lost' : helperWords[launch.helper];
}

function stalledFor({ state, services }: Supervisor): number | null {
  return state.kind === 'draining' && state.stalledSinceMs !== null
    ? services.clock.now() - state.stalledSinceMs
    : null;
}

export async function resourcesView(books: Books): Promise<ResourcesAnswer> {
  const { fleet, host } = books;
  // One moment's queue for both: the ledger takes a while.
  const queued = queuedView(fleet);
  const setAside = queued.map(({ name, promisedBytes }) => ({ domain: name, promisedBytes }));
  const ledger = await readLedger(books, setAside);
  const live = fleet.supervisors.filter((supervisor) => !isDraining(supervisor));
  const charges = new Charges();
  const { drainRateBytes, drainEtaMs } = drainFields(fleet.supervisors, charges);
  return {
    memory: ledger.known
      ? {
          ...ledger.value.host,
          reserveBytes: ledger.value.rule.reserveBytes,
          reserve: formatShare(host.capacity.reserve),
          overcommit: ledger.value.rule.overcommit,
          foreignBytes: ledger.value.foreignBytes,
          elsewhereBytes: ledger.value.elsewhereBytes,
          capacityBytes: ledger.value.capacityBytes,
          promisedLiveBytes: ledger.value.promisedLiveBytes,
          heldLiveBytes: ledger.value.heldLiveBytes,
          heldDrainingBytes: ledger.value.heldDrainingBytes,
          queuedBytes: ledger.value.queuedBytes,
          freeToPromiseBytes: ledger.value.freeToPromiseBytes,
        }
      : null,
    ...(ledger.known ? {} : { memoryUnknown: ledger.reason }),
    hugePools: readHugePools(),
    liveDomains: new Set(live.map(({ launch }) => launch.domain)).size,
    drainingIncarnations: fleet.supervisors.length - live.length,
    drainRateBytes,
    drainEtaMs,
    queued,
    incarnations: fleet.supervisors
      .toSorted((a, b) => a.launch.id - b.launch.id)
      .map((one) => resourceRow(one, charges)),
  };
}

function resourceRow(supervisor: Supervisor, charges: Charges): ResourcesAnswer['incarnations'][number] {
  const { launch, state } = supervisor;
  const draining = isDraining(supervisor);
  return {
    id: launch.id,
    name: launch.domain,
    state: stateWord(state),
    promisedBytes: draining ? null : launch.promisedBytes,
    heldAs: charges.kinds(supervisor),
    disks: countClaims(launch.claims, 'image', 'block'),
    taps: countClaims(launch.claims, 'tap'),
    ports: countClaims(launch.claims, 'port'),
    exclusiveFree: draining,
    ...heldFields(charges.held(supervisor)),
  };
}

/** Exclusive ones of these kinds. */
function countClaims(claims: readonly Claim[], ...kinds: readonly Claim['kind'][]): number {
  return claims.filter(({ kind, mode }) => mode === 'exclusive' && kinds.includes(kind)).length;
}

/** Incarnations on their way out, of one domain or of all, and those that lately came to their end. */
export function drainView(fleet: Fleet, entry: Entry | null): DrainAnswer {
  const supervisors = entry?.supervisors ?? fleet.supervisors;
  const charges = new Charges();
  return {
    draining: supervisors
      .filter(({ state }) => state.kind === 'exiting' || state.kind === 'draining')
      .map((one) => drainRow(one, charges)),
    released: fleet.summaries
      .filter(({ domain }) => entry === null || domain === entry.name)
      .map(({ id, domain, fromBytes, freedAfterMs, releasedAfterMs }) => ({
        id,
        name: domain,
        fromBytes,
        freedAfterMs,
        releasedAfterMs,
      })),
  };
}

function drainRow(supervisor: Supervisor, charges: Charges): DrainRow {
  const { launch, state, tracker } = supervisor;
  return {
    id: launch.id,
    name: launch.domain,
    state: stateWord(state),
    fromBytes: tracker.progress?.fromBytes ?? null,
    stalledForMs: stalledFor(supervisor),
    holder: supervisor.holder,
    helperPid: state.kind === 'draining' && isAtWork(state.helper) ? state.helper.pid : null,
    heldAs: charges.kinds(supervisor),
    busy: state.kind === 'exiting' ? state.busy : [],
    ...heldFields(charges.held(supervisor)),
    ...drainFields([supervisor], charges),
  };
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
