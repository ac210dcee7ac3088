/** The verbs that change a domain, free of HTTP: define, undefine, shutdown, destroy. Starting has a file of its own. */
import { Mutex } from 'async-mutex';
import type { DefineAnswer, DefineRequest, StopAnswer, WaitTarget } from '../client/contract.ts';
import type { Domain } from '../domain/definition.ts';
import type { IncarnationState } from '../domain/incarnation.ts';
import { escapeName, longestEscapedName } from '../domain/names.ts';
import { stateWord } from '../domain/words.ts';
import { DomctlError } from '../errors.ts';
import { formatElapsed } from '../format.ts';
import { emitDomain } from '../xml/emit.ts';
import { parseDomain } from '../xml/parse.ts';
import { readHeld } from './accounts.ts';
import type { DefinitionStore } from './definitions.ts';
import { currentOf, type Entry, type Fleet } from './fleet.ts';
import { generateMac, generateUuid } from './identifiers.ts';
import { describeEnd, refusedVerb } from './refusals.ts';
import type { NewEvent, Supervisor } from './supervisor.ts';
import { withDeadline } from './waiting.ts';

export interface StopOrder {
  readonly wait: WaitTarget | null;
  readonly timeoutMs: number | undefined;
  /** Aborts when the caller is gone; the operation goes on. */
  readonly signal: AbortSignal;
}

type Target = ReturnType<Fleet['locate']>;

export class Verbs {
  readonly #fleet: Fleet;
  readonly #definitions: DefinitionStore;
  /** One definition at a time: names and UUIDs are unique across domains. */
  readonly #defining = new Mutex();

  constructor(fleet: Fleet, definitions: DefinitionStore) {
    this.#fleet = fleet;
    this.#definitions = definitions;
  }

  /** Defines or redefines. A running incarnation keeps what it was launched with. Throws INVALID_XML, DOMAIN_EXISTS. */
  async define(request: DefineRequest): Promise<DefineAnswer> {
    const { domain: parsed, warnings } = parseDomain(request.xml, {
      file: request.file,
      allowUnsupported: request.allowUnsupported ?? false,
      generate: { uuid: generateUuid, mac: generateMac },
    });
    if (escapeName(parsed.name).length > longestEscapedName) {
      throw new DomctlError('INVALID_XML', `${request.file}: /domain/name: too long once escaped for a file name`, {
        hint: `at most ${longestEscapedName} characters, where each that is not a letter, digit, ':', '_' or '.' counts four`,
      });
    }
    return this.#defining.runExclusive(async () => {
      const entry = this.#fleet.ensure(parsed.name);
      try {
        return await entry.queue.runExclusive(async () => this.#store(entry, parsed, hasUuid(request.xml), warnings));
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
    this.#fleet.define(entry, domain);
    return { name: domain.name, uuid: domain.uuid, updated: before !== null, warnings };
  }

  /** The definition goes; an incarnation that is still there keeps its record, claims and name until it is released. */
  async undefine(reference: string): Promise<{ name: string; stillHeldBy: number | null }> {
    return this.#defining.runExclusive(async () => this.#remove(this.#fleet.find(reference)));
  }

  async #remove(entry: Entry): Promise<{ name: string; stillHeldBy: number | null }> {
    return entry.queue.runExclusive(async () => {
      if (!entry.definition)
        throw new DomctlError(
          'WRONG_STATE',
          `cannot undefine domain '${entry.name}': it is transient, and goes with its last incarnation`,
        );
      await this.#definitions.remove(entry.name);
      entry.definition = null;
      this.#fleet.forgetIfGone(entry);
      this.#fleet.changed();
      return { name: entry.name, stillHeldBy: currentOf(entry.supervisors)?.launch.id ?? null };
    });
  }

  xml(reference: string, inactive: boolean): string {
    const { entry, supervisor: live } = this.#fleet.locate(reference);
    if (live && !inactive) return live.launch.xml;
    if (!entry.definition) throw new DomctlError('NO_SUCH_DOMAIN', `domain '${entry.name}' has no definition any more`);
    return emitDomain(entry.definition);
  }

  /** Asks the guest and returns; escalates only after `forceAfterMs` or the policy's. */
  async shutdown(reference: string, order: StopOrder & { forceAfterMs: number | undefined }): Promise<StopAnswer> {
    const target = this.#fleet.locate(reference);
    requireAcpi(target.supervisor);
    const supervisor = await this.#request('shutdown', target, { kind: 'shutdownRequested' });
    const forceAfterMs = order.forceAfterMs ?? supervisor.launch.shutdown.forceAfterMs;
    if (forceAfterMs !== null) this.#destroyAfter(supervisor, forceAfterMs);
    return this.#awaitEnd(supervisor, order, undefined);
  }

  /** The ladder SIGTERM, SIGKILL; returns at freed unless asked to wait for more. */
  async destroy(reference: string, order: StopOrder & { graceful: boolean }): Promise<StopAnswer> {
    const target = this.#fleet.locate(reference);
    const supervisor = await this.#request('destroy', target, { kind: 'destroyRequested', graceful: order.graceful });
    return this.#awaitEnd(
      supervisor,
      order,
      order.wait === 'freed' ? supervisor.launch.clocks.freedTimeoutMs : undefined,
    );
  }

  async #request(verb: string, { entry, supervisor }: Target, event: NewEvent): Promise<Supervisor> {
    if (!supervisor) throw refusedVerb(verb, entry.name, null, 'DOMAIN_NOT_RUNNING');
    const { verdict, work } = await supervisor.tell(event);
    if (verdict.kind === 'refused') throw refusedVerb(verb, entry.name, supervisor, verdict.code);
    await work;
    return supervisor;
  }

  #destroyAfter(supervisor: Supervisor, ms: number): void {
    const timer = setTimeout(() => {
      supervisor.inBackground(
        'force after shutdown',
        async () => void (await supervisor.tell({ kind: 'destroyRequested', graceful: false })),
      );
    }, ms);
    supervisor.ending.signal.addEventListener('abort', () => {
      clearTimeout(timer);
    });
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
        throw deadlinePassed(supervisor, order.timeoutMs ?? usualTimeoutMs ?? 0);
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

function deadlinePassed(supervisor: Supervisor, timeoutMs: number): DomctlError {
  const { domain, id } = supervisor.launch;
  return new DomctlError(
    'DEADLINE_PASSED',
    `domain '${domain}' is not there after ${formatElapsed(timeoutMs)}: ${describeEnd(supervisor)}`,
    {
      hint: `nothing was undone and it goes on; 'domctl drain ${domain}' watches it`,
      details: { domain, incarnation: id, state: stateWord(supervisor.state) },
    },
  );
}

/** The agent is asked from a later version on; a policy that wants nothing else cannot be followed. */
function requireAcpi(supervisor: Supervisor | null): void {
  if (!supervisor || supervisor.launch.shutdown.modes.includes('acpi')) return;
  throw new DomctlError(
    'HOST_LACKS',
    `policy ${supervisor.launch.policy} asks guests by agent only, which this version cannot do`,
    {
      hint: 'add acpi to shutdown.mode in the policy',
    },
  );
}

/** A generated UUID must not be taken for the operator's: then the domain's own one is kept. */
function hasUuid(xml: string): boolean {
  return /<uuid[\s>]/.test(xml);
}
