/**
 * What must hold after the daemon was killed and another one came: what domctl says is held against the kernel's files, the
 * journal as it was at the crash, and the log of events. Each function gives a sentence for whatever does not hold.
 */
import { closeSync, openSync } from 'node:fs';
import type { DomainInfo } from '../../../lib/client/contract.ts';
import { happenings } from '../../../lib/domain/events.ts';
import type { IncarnationState, Launch } from '../../../lib/domain/incarnation.ts';
import { probeLockedBytes, qemuLockBytes } from '../../../native/index.ts';
import {
  cgroupsOf,
  cgroupTree,
  describeProcess,
  isAlive,
  namesIn,
  processesIn,
  readOrNull,
  startTicks,
} from '../../e2e/facts.ts';
import type { Host, JournalLine } from '../../e2e/harness.ts';

/** A process, and which of all that ever had its pid. */
export interface Witness {
  readonly pid: number;
  readonly ticks: number;
}

export function witness(pid: number): Witness {
  return { pid, ticks: startTicks(pid) };
}

export function isThere({ pid, ticks }: Witness): boolean {
  return isAlive(pid) && startTicks(pid) === ticks;
}

/** How the last incarnation of db1 stood when the daemon died. */
export interface Crash {
  /** By the journal; null: there is none. */
  readonly state: IncarnationState | null;
  readonly id: number | null;
  /** Its hypervisor, by the kernel; null: it does not live. */
  readonly hypervisor: Witness | null;
  /** A start of it waited. */
  readonly queued: boolean;
}

/** Read after the death, before the next daemon. `since`: lines that stood there before. */
export function readCrash(host: Host, firstId: number): Crash {
  const lines = wholeLines(host);
  const launches = lines.filter(({ kind, launch }) => kind === 'launch' && launch.domain === 'db1');
  const id: number | null = launches.filter(({ launch }) => launch.id >= firstId).at(-1)?.launch.id ?? null;
  const last = lines.findLast((line) => (line.launch?.id ?? line.incarnation) === id);
  return {
    id,
    state: id === null ? null : (last?.state as IncarnationState),
    hypervisor: id === null ? null : hypervisorOf(host, id),
    queued: isQueued(lines),
  };
}

/** A crash may leave half a line. */
function wholeLines(host: Host): JournalLine[] {
  const texts = (readOrNull(host.journalFile, 'utf8') ?? '').split('\n').slice(0, -1);
  return texts.map((text) => JSON.parse(text) as JournalLine);
}

function isQueued(lines: readonly JournalLine[]): boolean {
  const kinds: readonly string[] = lines.map(({ kind }) => kind);
  return kinds.lastIndexOf('queued') > Math.max(kinds.lastIndexOf('dequeued'), kinds.lastIndexOf('launch'));
}

/** The living process in the incarnation's cgroup that has its monitor. */
function hypervisorOf(host: Host, id: number): Witness | null {
  const socket = `${host.at('run')}/incarnations/${id}/qmp.sock`;
  const pid = processesIn(`${host.cgroupRoot}/vm-db1/${id}`).find(
    (each) => isAlive(each) && readOrNull(`/proc/${each}/cmdline`)?.includes(socket),
  );
  return pid === undefined ? null : witness(pid);
}

/** What must become of db1: the same process goes on, another one is started, or it ends. */
function expectation({ state, hypervisor, queued }: Crash, ends: boolean): 'lives' | 'is started' | 'ends' {
  if (queued) return 'is started';
  if (ends || hypervisor === null || state === null) return 'ends';
  if (state.kind === 'launching') return 'lives';
  const isLive = state.kind === 'running' || state.kind === 'paused' || state.kind === 'stopping';
  // The time that a shutdown was given runs on.
  return isLive && state.asked?.destroyAtMs == null ? 'lives' : 'ends';
}

/** db1 is what it must be. */
export function judgeFate(info: DomainInfo | null, crash: Crash, ends: boolean): string[] {
  const expected = expectation(crash, ends);
  const isLive = info !== null && (info.state === 'running' || info.state === 'paused');
  if (expected === 'ends') return isLive ? [`db1 should have ended, and is ${info.state}`] : [];
  if (!isLive) return [`db1 should live, and is ${info?.state ?? 'not there'} (${info?.reason})`];
  if (expected === 'is started') return [];
  const { hypervisor } = crash;
  const same = info.id === crash.id && info.pid === hypervisor?.pid && isThere(hypervisor);
  return same ? [] : [`db1 is incarnation ${info.id}, pid ${info.pid}, and was ${crash.id}, ${crash.hypervisor?.pid}`];
}

/** What is told of a domain is what the kernel says. */
export function judgeWord(host: Host, name: string, info: DomainInfo | null, image: string): string[] {
  const isLive = info !== null && (info.state === 'running' || info.state === 'paused');
  const word = `${name} is ${info?.state ?? 'unknown to domctl'}`;
  const problems: string[] = [];
  const say = (holds: boolean, what: string): void => void (holds || problems.push(`${word}, but ${what}`));
  const inside = processesIn(`${host.cgroupRoot}/vm-${name}`).filter(isAlive);
  const cgroups = cgroupTree(`${host.cgroupRoot}/vm-${name}`);
  say(isLocked(image) === isLive, `its image is ${isLive ? 'not ' : ''}locked`);
  if (!isLive) {
    say(info === null || info.state === 'shut off', 'it should be shut off');
    say(inside.length === 0, `in its cgroup there is ${inside.map(describeProcess).join(', ')}`);
    say(cgroups.length === 0, `there are ${cgroups.join(', ')}`);
    return problems;
  }
  say(
    inside.length === 1 && inside[0] === info.pid,
    `in its cgroup there is ${inside.map(describeProcess).join(', ')}`,
  );
  say(cgroupsOf(info.pid!).unified?.startsWith(info.cgroup!) === true, 'its pid is elsewhere');
  say(info.incarnations.length === 1, `it has ${info.incarnations.length} incarnations`);
  return problems;
}

/** By the kernel's answer for each byte that QEMU locks. */
function isLocked(image: string): boolean {
  const fd = openSync(image, 'r+');
  try {
    return probeLockedBytes(fd, qemuLockBytes).length > 0;
  } finally {
    closeSync(fd);
  }
}

/** Each change of state that the journal tells of was told to listeners, once, in its order. */
export function judgeEvents(host: Host, firstId: number): string[] {
  const lines = host.journal();
  const ids = new Set(lines.map(({ launch, incarnation }) => Number(launch?.id ?? incarnation ?? 0)));
  const own = [...ids].filter((id) => id >= firstId);
  return own.flatMap((id) => {
    const told = eventsOf(host, id).join(', ');
    const due = dueEvents(lines.filter((line) => (line.launch?.id ?? line.incarnation) === id)).join(', ');
    return told === due ? [] : [`of incarnation ${id} was told: ${told}; it should be: ${due}`];
  });
}

/** Told by changes of state alone; a hypervisor's own words are between them. */
const ownEvents = /^(exiting|draining|released|lost|found|lifecycle (Started Booted|Stopped .*))$/;

function eventsOf(host: Host, id: number): string[] {
  const texts = ['events.1.jsonl', 'events.jsonl'].map((name) => readOrNull(host.at(`state/${name}`), 'utf8') ?? '');
  const lines = texts.join('').split('\n').filter(isJson);
  const events = lines.map((line) => JSON.parse(line) as { incarnation: number; event: string; text: string });
  return events
    .filter(({ incarnation }) => incarnation === id)
    .map(nameOf)
    .filter((name) => ownEvents.test(name));
}

function dueEvents(lines: readonly JournalLine[]): string[] {
  const launch = lines.find(({ kind }) => kind === 'launch')?.launch as Launch | undefined;
  if (!launch) return [];
  const states = lines.map(({ state }) => state as IncarnationState);
  return states
    .flatMap((state, index) => {
      const before = states[index - 1];
      return before ? happenings(launch, before, state, { heldBytes: null, fromBytes: null }) : [];
    })
    .map(nameOf)
    .filter((name) => ownEvents.test(name));
}

function nameOf({ event, text }: { readonly event: string; readonly text: string }): string {
  return `${event} ${text}`.trim();
}

function isJson(line: string): boolean {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}

/** Nothing of db1 is left, once it was destroyed and undefined. */
export function judgeLeavings(host: Host, otherId: number | null): string[] {
  const lists: [directory: string, allowed: readonly string[]][] = [
    ['state/domains', ['other.xml']],
    ['state/autostart', []],
    ['state/tpm', []],
    ['run/incarnations', otherId === null ? [] : [String(otherId)]],
  ];
  const files = lists.flatMap(([directory, allowed]) =>
    namesIn(host.at(directory))
      .filter((name) => !allowed.includes(name))
      .map((name) => `left behind: ${directory}/${name}`),
  );
  const unfinished = namesIn(host.at('state')).filter((name) => name.endsWith('.new'));
  return [
    ...files,
    ...unfinished.map((name) => `left behind: state/${name}`),
    ...cgroupTree(`${host.cgroupRoot}/vm-db1`).map((directory) => `left behind: ${directory}`),
  ];
}
