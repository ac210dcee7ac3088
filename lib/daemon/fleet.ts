/**
 * Every domain and incarnation the daemon knows: found by name, UUID or id, each domain with its own queue.
 * Owns membership and the feed of changes; must not decide anything.
 */
import { Mutex } from 'async-mutex';
import type { ClaimHolder } from '../domain/claims.ts';
import type { Domain } from '../domain/definition.ts';
import type { Incarnation, IncarnationState, Launch } from '../domain/incarnation.ts';
import { currentIncarnation, isUnreleased } from '../domain/words.ts';
import { DomctlError } from '../errors.ts';
import type { Reading } from '../reading.ts';
import { type Services, Supervisor } from './supervisor.ts';
import type { Waiter } from './waiter.ts';

/** A domain as the daemon keeps it. */
export interface Entry {
  readonly name: string;
  /** Orders everything that changes this domain. Never held while waiting for the kernel or a guest. */
  readonly queue: Mutex;
  /** null: undefined while an incarnation of it was still there. */
  definition: Domain | null;
  /** Of a transient domain between its creation and its launch, which keeps the XML from then on. */
  reserved: Domain | null;
  /** Started when the host comes up. */
  autostart: boolean;
  /** Not released yet, oldest first. */
  supervisors: Supervisor[];
  lastReleased: Incarnation | null;
  /** A start of it that waits for its turn. */
  queued: Waiter | null;
}

/** How a finished drain went; kept for those who watch. */
export interface DrainSummary {
  readonly id: number;
  readonly domain: string;
  readonly fromBytes: number;
  /** From the end's beginning to free, and to released. */
  readonly freedAfterMs: number;
  readonly releasedAfterMs: number;
  readonly releasedAtMs: number;
  /** Processor time it took. */
  readonly teardownUs: Reading<number>;
}

const keptSummaries = 100;

export class Fleet {
  readonly summaries: DrainSummary[] = [];
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<() => void>();
  #lastId: number;

  constructor(lastId: number) {
    this.#lastId = lastId;
  }

  get entries(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  get supervisors(): readonly Supervisor[] {
    return this.entries.flatMap((entry) => entry.supervisors);
  }

  /** A number no incarnation of this host ever had. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** The entry of that name, made when there is none. */
  ensure(name: string): Entry {
    const found = this.#entries.get(name);
    if (found) return found;
    const entry: Entry = {
      name,
      queue: new Mutex(),
      definition: null,
      reserved: null,
      autostart: false,
      supervisors: [],
      lastReleased: null,
      queued: null,
    };
    this.#entries.set(name, entry);
    return entry;
  }

  /** The domain of that UUID or name. Throws NO_SUCH_DOMAIN. */
  find(reference: string): Entry {
    const entry = this.byUuid(reference) ?? this.#entries.get(reference);
    if (entry) return entry;
    throw new DomctlError('NO_SUCH_DOMAIN', `failed to get domain '${reference}'`, {
      hint: "'domctl list --all' shows the domains there are",
    });
  }

  /**
   * What a reference to something live means, as virsh takes it: an incarnation by its id, else the domain of that UUID or
   * name and its current incarnation. Throws NO_SUCH_DOMAIN.
   */
  locate(reference: string): { readonly entry: Entry; readonly supervisor: Supervisor | null } {
    const byId = this.supervisors.find(({ launch }) => String(launch.id) === reference);
    if (byId) return { entry: this.ensure(byId.launch.domain), supervisor: byId };
    const entry = this.find(reference);
    return { entry, supervisor: currentOf(entry.supervisors) };
  }

  byUuid(reference: string): Entry | undefined {
    const uuid = reference.toLowerCase();
    return this.entries.find(
      (entry) =>
        (entry.definition ?? entry.reserved)?.uuid === uuid ||
        entry.supervisors.some(({ launch }) => launch.uuid === uuid),
    );
  }

  /** The entry has this definition from now on; it may have been forgotten while its queue was waited for. */
  define(entry: Entry, definition: Domain): void {
    entry.definition = definition;
    this.#entries.set(entry.name, entry);
    this.changed();
  }

  /** A new supervisor of a launch or a remembered incarnation. */
  adopt(launch: Launch, state: IncarnationState, services: Services): Supervisor {
    const entry = this.ensure(launch.domain);
    const supervisor = new Supervisor({ launch, state, queue: entry.queue, services });
    entry.supervisors.push(supervisor);
    return supervisor;
  }

  /** A state changed: released ones leave, everyone who waits looks again. */
  published(supervisor: Supervisor, before: IncarnationState): void {
    if (!isUnreleased(supervisor)) this.#release(supervisor, before);
    this.changed();
  }

  changed(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /** Resolves at the next change, or after `atMostMs`; rejects when the signal aborts. */
  async nextChange(atMostMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await new Promise<void>((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(finish);
        signal.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, atMostMs);
      this.#listeners.add(finish);
      signal.addEventListener('abort', finish);
    });
    signal.throwIfAborted();
  }

  /** Takes a domain off the list once it is neither defined nor held by an incarnation. */
  forgetIfGone(entry: Entry): void {
    const isKept = entry.definition !== null || entry.reserved !== null || entry.supervisors.length > 0;
    if (!isKept) this.#entries.delete(entry.name);
  }

  /** Claims that stand: those of incarnations whose resources are not proven free. */
  claimHolders(): ClaimHolder[] {
    return this.supervisors
      .filter(({ state }) => state.kind !== 'draining' && !(state.kind === 'lost' && state.was.kind === 'draining'))
      .map(({ launch }) => ({ domain: launch.domain, incarnation: launch.id, claims: launch.claims }));
  }

  /** Of the domain's incarnation that was released last; null: of none since this daemon began. */
  lastSummary(name: string): DrainSummary | null {
    return this.summaries.findLast(({ domain }) => domain === name) ?? null;
  }

  #release(supervisor: Supervisor, before: IncarnationState): void {
    const entry = this.ensure(supervisor.launch.domain);
    this.#summarize(supervisor, before);
    entry.supervisors = entry.supervisors.filter((other) => other !== supervisor);
    entry.lastReleased = { launch: supervisor.launch, state: supervisor.state };
    this.forgetIfGone(entry);
  }

  #summarize({ launch, state, tracker, teardownTime }: Supervisor, before: IncarnationState): void {
    if (before.kind !== 'draining') return;
    this.summaries.push({
      id: launch.id,
      domain: launch.domain,
      fromBytes: tracker.progress?.fromBytes ?? 0,
      freedAfterMs: before.sinceMs - before.exitingSinceMs,
      releasedAfterMs: state.sinceMs - before.exitingSinceMs,
      releasedAtMs: state.sinceMs,
      teardownUs: teardownTime.spentUs,
    });
    this.summaries.splice(0, this.summaries.length - keptSummaries);
  }
}

/** The supervisor whose state is the domain's; null when none is left. */
export function currentOf(supervisors: readonly Supervisor[]): Supervisor | null {
  const current = currentIncarnation(supervisors);
  return supervisors.find((supervisor) => supervisor === current) ?? null;
}
