/** The verbs that change a definition or end an incarnation, free of HTTP. Starting and the guest's own verbs have files of their own. */
import { Mutex } from 'async-mutex';
import type {
  AutostartAnswer,
  CreateRequest,
  DefineAnswer,
  DefineRequest,
  EditedDefinition,
  StartAnswer,
  StopAnswer,
  UndefineAnswer,
  WaitTarget,
} from '../client/contract.ts';
import type { Domain } from '../domain/definition.ts';
import type { AskMode, IncarnationState, Requester } from '../domain/incarnation.ts';
import { escapeName, longestEscapedName } from '../domain/names.ts';
import { stateWord } from '../domain/words.ts';
import { DomctlError } from '../errors.ts';
import { formatElapsed } from '../format.ts';
import type { Places } from '../places.ts';
import { emitDomain } from '../xml/emit.ts';
import { parseDomain } from '../xml/parse.ts';
import { readHeld } from './accounts.ts';
import { announceDefinition } from './announcements.ts';
import type { DefinitionStore } from './definitions.ts';
import type { EventLog } from './events.ts';
import { currentOf, type Entry, type Fleet } from './fleet.ts';
import { generateMac, generateUuid } from './identifiers.ts';
import { type Guests, request, requestShutdown } from './guests.ts';
import { decideLeavings, type Leavings } from './leavings.ts';
import { describeEnd } from './refusals.ts';
import type { Starter } from './starting.ts';
import type { NewEvent, Supervisor } from './supervisor.ts';
import { existingTpmState, markTransient, removeTransient, unmarkTransient } from './tpm.ts';
import { withDeadline } from './waiting.ts';

export interface StopOrder {
  readonly wait: WaitTarget | null;
  readonly timeoutMs: number | undefined;
  /** Aborts when the caller is gone; the operation goes on. */
  readonly signal: AbortSignal;
}

export interface ShutdownOrder extends StopOrder {
  /** undefined: the policy's. */
  readonly forceAfterMs: number | undefined;
  readonly modes: readonly AskMode[] | undefined;
  /** A guest that stands still is resumed first, to hear. */
  readonly resume: boolean;
}

export class Verbs {
  readonly #fleet: Fleet;
  readonly #definitions: DefinitionStore;
  readonly #starter: Starter;
  readonly #guests: Guests;
  readonly #places: Places;
  readonly #events: EventLog;
  /** One definition at a time: names and UUIDs are unique across domains. */
  readonly #defining = new Mutex();

  constructor(parts: {
    fleet: Fleet;
    definitions: DefinitionStore;
    starter: Starter;
    guests: Guests;
    places: Places;
    events: EventLog;
  }) {
    this.#fleet = parts.fleet;
    this.#definitions = parts.definitions;
    this.#starter = parts.starter;
    this.#guests = parts.guests;
    this.#places = parts.places;
    this.#events = parts.events;
  }

  /** Defines or redefines. A running incarnation keeps what it was launched with. Throws INVALID_XML, DOMAIN_EXISTS. */
  async define(request: DefineRequest): Promise<DefineAnswer> {
    const { domain: parsed, warnings } = readDefinition(request);
    requireSameName(parsed, request);
    return this.#defining.runExclusive(async () => {
      const entry = this.#fleet.ensure(parsed.name);
      try {
        return await entry.queue.runExclusive(async () => {
          requireUnchanged(entry, request.edits);
          return this.#store(entry, parsed, hasUuid(request.xml), warnings);
        });
      } finally {
        this.#fleet.forgetIfGone(entry);
      }
    });
  }

  async #store(entry: Entry, parsed: Domain, uuidGiven: boolean, warnings: readonly string[]): Promise<DefineAnswer> {
    const before = entry.definition;
    const knownUuid = before?.uuid ?? entry.supervisors.at(-1)?.launch.uuid;
    if (knownUuid !== undefined && uuidGiven && knownUuid !== parsed.uuid) {
      throw new DomctlError('DOMAIN_EXISTS', `domain '${parsed.name}' already exists with uuid ${knownUuid}`, {
        hint: 'give it that uuid, leave the uuid out, or choose another name',
      });
    }
    const other = this.#fleet.byUuid(parsed.uuid);
    if (other && other !== entry)
      throw new DomctlError('DOMAIN_EXISTS', `domain '${other.name}' already has uuid ${parsed.uuid}`, {
        hint: 'leave the uuid out and a new one is made',
      });
    const domain = knownUuid === undefined ? parsed : { ...parsed, uuid: knownUuid };
    await this.#definitions.save(domain);
    await unmarkTransient(this.#places.stateDir, domain.uuid);
    this.#fleet.define(entry, domain);
    entry.autostart = this.#definitions.isAutostarted(domain.name);
    announceDefinition(this.#events, before, domain);
    return { name: domain.name, uuid: domain.uuid, updated: before !== null, warnings };
  }

  /** The definition goes; an incarnation that is still there keeps its record, claims and name until it is released. */
  async undefine(reference: string, leavings: Leavings): Promise<UndefineAnswer> {
    return this.#defining.runExclusive(async () => {
      const entry = this.#fleet.find(reference);
      return entry.queue.runExclusive(async () => this.#remove(entry, leavings));
    });
  }

  async #remove(entry: Entry, leavings: Leavings): Promise<UndefineAnswer> {
    const heldBy = currentOf(entry.supervisors)?.launch.id ?? null;
    const { definition } = entry;
    if (!definition) throw transient('undefine', entry.name);
    const { note, clear } = await decideLeavings(definition, { ...leavings, heldBy, stateDir: this.#places.stateDir });
    await note();
    await this.#definitions.remove(entry.name);
    const left = await clear();
    announceDefinition(this.#events, definition, null);
    entry.definition = null;
    entry.autostart = false;
    this.#fleet.forgetIfGone(entry);
    this.#fleet.changed();
    return { name: entry.name, stillHeldBy: heldBy, ...left };
  }

  /** Starts a domain that is not defined: it is there for as long as its incarnation. Throws as define and start do. */
  async create(request: CreateRequest, order: { requester: Requester; signal: AbortSignal }): Promise<StartAnswer> {
    const { domain, warnings } = readDefinition(request);
    const entry = await this.#defining.runExclusive(() => this.#reserve(domain));
    const { stateDir } = this.#places;
    try {
      // What is there already was kept by somebody.
      const isOwn = domain.tpm?.backend === 'emulator' && (await existingTpmState(stateDir, domain.uuid)) === null;
      if (isOwn && !request.dryRun) await markTransient(stateDir, domain.uuid);
      const { paused = false, dryRun = false } = request;
      const answer = await this.#starter.startTransient(entry, {
        ...order,
        paused,
        dryRun,
        force: false,
        wait: false,
        timeoutMs: undefined,
      });
      return { ...answer, warnings };
    } finally {
      entry.reserved = null;
      if (entry.supervisors.length === 0) await removeTransient(stateDir, domain.uuid);
      this.#fleet.forgetIfGone(entry);
      this.#fleet.changed();
    }
  }

  #reserve(domain: Domain): Entry {
    const other = this.#fleet.byUuid(domain.uuid);
    if (other) throw new DomctlError('DOMAIN_EXISTS', `domain '${other.name}' already has uuid ${domain.uuid}`);
    if (this.#fleet.entries.some(({ name }) => name === domain.name)) {
      throw new DomctlError('DOMAIN_EXISTS', `domain '${domain.name}' exists already`, {
        hint: `'domctl start ${domain.name}' starts it; a transient domain needs a name of its own`,
      });
    }
    const entry = this.#fleet.ensure(domain.name);
    entry.reserved = domain;
    return entry;
  }

  /** Whether the domain is started when the host comes up. */
  async autostart(reference: string, enabled: boolean): Promise<AutostartAnswer> {
    const entry = this.#fleet.find(reference);
    return entry.queue.runExclusive(async () => {
      if (!entry.definition) throw transient('set autostart for', entry.name);
      await this.#definitions.markAutostart(entry.name, enabled);
      entry.autostart = enabled;
      return { name: entry.name, autostart: enabled };
    });
  }

  xml(reference: string, inactive: boolean): string {
    const { entry, supervisor: live } = this.#fleet.locate(reference);
    if (live && !inactive) return live.launch.xml;
    if (!entry.definition) throw new DomctlError('NO_SUCH_DOMAIN', `domain '${entry.name}' has no definition any more`);
    return emitDomain(entry.definition);
  }

  /** Asks the guest and returns; escalates only after `forceAfterMs` or the policy's, also when nobody could be asked. */
  async shutdown(reference: string, order: ShutdownOrder): Promise<StopAnswer> {
    const target = this.#fleet.locate(reference);
    if (order.resume && target.supervisor?.state.kind === 'paused') await this.#guests.resume(reference);
    const { supervisor, unasked } = await requestShutdown(target, shutdownRequested(order, target.supervisor));
    // Who waits for the end gets it, and is told how it came.
    if (unasked && order.wait === null) throw unasked;
    const answer = await this.#awaitEnd(supervisor, order, undefined);
    return unasked ? { ...answer, unasked: unasked.message } : answer;
  }

  /** The ladder SIGTERM, SIGKILL; returns at freed unless asked to wait for more. */
  async destroy(reference: string, order: StopOrder & { graceful: boolean }): Promise<StopAnswer> {
    const target = this.#fleet.locate(reference);
    const supervisor = await request('destroy', target, { kind: 'destroyRequested', graceful: order.graceful });
    return this.#awaitEnd(
      supervisor,
      order,
      order.wait === 'freed' ? supervisor.launch.clocks.freedTimeoutMs : undefined,
    );
  }

  async #awaitEnd(supervisor: Supervisor, order: StopOrder, usualTimeoutMs: number | undefined): Promise<StopAnswer> {
    if (order.wait !== null) {
      const isThere = order.wait === 'off' ? isReleased : isFreed;
      try {
        await withDeadline(order.timeoutMs ?? usualTimeoutMs, order.signal, async (signal) =>
          supervisor.until(isThere, signal),
        );
      } catch (error) {
        if (order.signal.aborted) throw error;
        throw deadlinePassed(supervisor, order.wait, order.timeoutMs ?? usualTimeoutMs ?? 0);
      }
    }
    return this.#stopAnswer(supervisor);
  }

  #stopAnswer(supervisor: Supervisor): StopAnswer {
    const { launch, state } = supervisor;
    const summary = this.#fleet.summaries.find(({ id }) => id === launch.id);
    const held = state.kind === 'draining' ? readHeld(supervisor) : null;
    return {
      name: launch.domain,
      id: launch.id,
      state: stateWord(state),
      freedAfterMs: state.kind === 'draining' ? state.sinceMs - state.exitingSinceMs : (summary?.freedAfterMs ?? null),
      releasedAfterMs: summary?.releasedAfterMs ?? null,
      drainingBytes: held?.known ? held.value : null,
    };
  }
}

function isFreed(state: IncarnationState): boolean {
  return state.kind === 'draining' || state.kind === 'released';
}

function isReleased(state: IncarnationState): boolean {
  return state.kind === 'released';
}

function deadlinePassed(supervisor: Supervisor, awaited: WaitTarget, timeoutMs: number): DomctlError {
  const { domain, id } = supervisor.launch;
  return new DomctlError(
    'DEADLINE_PASSED',
    `domain '${domain}' is not ${awaited === 'off' ? 'released' : 'freed'} after ${formatElapsed(timeoutMs)}: ${describeEnd(supervisor)}`,
    {
      hint: `nothing was undone and it goes on; 'domctl drain ${domain}' watches it`,
      details: { domain, incarnation: id, state: stateWord(supervisor.state) },
    },
  );
}

/** What the order leaves open is the policy's the incarnation was launched with. */
function shutdownRequested(order: ShutdownOrder, supervisor: Supervisor | null): NewEvent {
  const rule = supervisor?.launch.shutdown ?? { modes: [], forceAfterMs: null };
  const forceAfterMs = order.forceAfterMs ?? rule.forceAfterMs;
  const destroyAtMs = forceAfterMs === null ? null : Date.now() + forceAfterMs;
  return { kind: 'shutdownRequested', modes: order.modes ?? rule.modes, destroyAtMs };
}

function readDefinition(request: DefineRequest): ReturnType<typeof parseDomain> {
  const parsed = parseDomain(request.xml, {
    file: request.file,
    allowUnsupported: request.allowUnsupported ?? false,
    generate: { uuid: generateUuid, mac: generateMac },
  });
  if (escapeName(parsed.domain.name).length <= longestEscapedName) return parsed;
  throw new DomctlError('INVALID_XML', `${request.file}: /domain/name: too long once escaped for a file name`, {
    hint: `at most ${longestEscapedName} characters, where each that is not a letter, digit, ':', '_' or '.' counts four`,
  });
}

function transient(verb: string, name: string): DomctlError {
  return new DomctlError(
    'WRONG_STATE',
    `cannot ${verb} domain '${name}': it is transient, and goes with its last incarnation`,
    { hint: `'domctl dumpxml ${name} | domctl define -' makes it persistent` },
  );
}

/** An edited definition is the same domain's: another name would define another domain beside it. */
function requireSameName({ name }: Domain, { edits, file }: DefineRequest): void {
  if (edits === undefined || edits.name === name) return;
  throw new DomctlError('INVALID_XML', `${file}: /domain/name: '${edits.name}' cannot be renamed to '${name}'`, {
    hint: "keep the name; a domain of another name is made by 'domctl define'",
  });
}

/** Nobody's change is overwritten by one who has not seen it. */
function requireUnchanged({ name, definition }: Entry, edits: EditedDefinition | undefined): void {
  if (edits?.xml === undefined || (definition && emitDomain(definition) === edits.xml)) return;
  const what = definition ? 'was changed by somebody else' : 'was undefined';
  throw new DomctlError('WRONG_STATE', `the definition of domain '${name}' ${what} in the meantime`, {
    details: { domain: name, changedMeanwhile: true },
  });
}

/** A generated UUID must not be taken for the operator's: then the domain's own one is kept. */
function hasUuid(xml: string): boolean {
  return /<uuid[\s>]/.test(xml);
}
