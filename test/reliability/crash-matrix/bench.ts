/**
 * One host on which cell after cell is run: `other` lives through all of them, its process the same from the first crash to
 * the last; `db1` is made for each and put away after it.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DomainInfo } from '../../../lib/client/contract.ts';
import { DomctlError } from '../../../lib/errors.ts';
import { eventually, namesIn } from '../../e2e/facts.ts';
import { Host } from '../../e2e/harness.ts';
import {
  type Crash,
  isThere,
  judgeEvents,
  judgeFate,
  judgeLeavings,
  judgeWord,
  readCrash,
  type Witness,
  witness,
} from './invariants.ts';
import type { Cell } from './matrix.ts';
import { type Scenario, scenarios, type Stage } from './scenarios.ts';

const program = fileURLToPath(new URL('../../../dist/domctld.cjs', import.meta.url));

/** What one cell came to. */
export interface Row extends Cell {
  /** What db1 was in the end, e.g. `running, the same process`. */
  readonly outcome: string;
  /** None: it is green. */
  readonly problems: readonly string[];
}

const quick = { destroy: { killAfter: '1s' }, teardown: { stalledAfter: '1s' } };
/** What a daemon has of its own. */
const lasting: ReadonlySet<string> = new Set([
  ...['journal.jsonl', 'events.jsonl', 'events.1.jsonl', 'domctld.lock', 'autostarted', 'capabilities'],
  ...['domains', 'autostart', 'tpm'],
]);
const steady: ReadonlySet<string> = new Set(['running', 'paused', 'shut off']);
/** For a point to be reached. */
const deathDeadlineMs = 20_000;
const eventsDeadlineMs = 3000;

export class Bench {
  readonly host: Host;
  readonly #image: string;
  readonly #otherImage: string;
  #other: (Witness & { readonly id: number }) | null = null;

  constructor() {
    this.host = new Host({ policies: { quick } });
    this.#image = this.host.image('db1.img');
    this.#otherImage = this.host.image('other.img');
  }

  /** `other` runs. */
  async begin(): Promise<void> {
    await this.#startDaemon();
    const { id, pid } = await this.host.run({ name: 'other', disks: [this.#otherImage] });
    this.#other = { ...witness(pid!), id: id! };
  }

  /** Runs the cell; db1 is put away again. Rejects when it cannot be run to its end. */
  async run(cell: Cell): Promise<Row> {
    const { host } = this;
    const scenario: Scenario = scenarios[cell.scenario];
    const stage: Stage = { host, image: this.#image, holder: null };
    const firstId = nextId(host);
    await scenario.prepare(stage);
    if (await host.isDaemonUp()) await host.killDaemon();
    await scenario.between?.(stage);
    const crash = await this.#crash(cell, scenario, stage, firstId);
    const tornBefore = damaged(host).length;
    await this.#startDaemon();
    const torn = damaged(host).length > tornBefore;
    await scenario.conclude?.(stage);
    const { db1, other } = await this.#settled();
    const problems = [
      ...this.#judgeOther(other),
      ...judgeFate(db1, crash, scenario.ends ?? false),
      ...judgeWord(host, 'db1', db1, this.#image),
      ...(torn === cell.point.startsWith('half of journal')
        ? []
        : [`a damaged journal was ${torn ? '' : 'not '}kept aside`]),
    ];
    const outcome = outcomeOf(db1, crash);
    await this.#putAway(db1);
    return {
      ...cell,
      outcome,
      problems: [...problems, ...(await this.#judgeEvents(cell, firstId)), ...this.#leavings()],
    };
  }

  /** `other` is put away too, through the product; what is left of anything. */
  async finish(): Promise<string[]> {
    const client = this.host.client();
    await client.destroy('other', { wait: 'off' });
    await client.undefine('other', null);
    await this.host.stopDaemon();
    const own = namesIn(this.host.at('state')).filter((name) => !lasting.has(name));
    const files = [...own, ...namesIn(this.host.at('promises'))];
    await this.end();
    return [...files, ...this.host.leftovers];
  }

  /** Ends everything, whatever there is; what is left is in `host.leftovers`. */
  async end(): Promise<void> {
    await this.host[Symbol.asyncDispose]();
  }

  /** The daemon comes up armed, acts, and dies where it is told to. */
  async #crash({ point }: Cell, scenario: Scenario, stage: Stage, firstId: number): Promise<Crash> {
    const { host } = this;
    const logBefore = host.log.length;
    const isDead = await this.#startDaemon({ DOMCTL_FAULT_POINT: point });
    await scenario.act?.(stage).catch((error: unknown) => {
      if (!(error instanceof DomctlError)) throw error;
    });
    await eventually(`'${point}' is reached`, isDead, deathDeadlineMs);
    const said = host.log.slice(logBefore);
    if (!said.includes(`fault point reached: ${point}\n`))
      throw new Error(`it died of something else: ${said.slice(-2000)}`);
    return readCrash(host, firstId);
  }

  /** As its starter does, without one; resolves when it is ready or dead. Tells whether it is dead. */
  async #startDaemon(environment: NodeJS.ProcessEnv = {}): Promise<() => boolean> {
    const { host } = this;
    mkdirSync(host.at('log'), { recursive: true });
    const log = openSync(host.at('log/domctld.log'), 'a');
    const env = { ...process.env, ...host.environment, ...environment };
    const before = host.log.length;
    const child = spawn(process.execPath, [program], { env, stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    const isDead = (): boolean => child.exitCode !== null || child.signalCode !== null;
    await eventually('a daemon is ready', () => isDead() || host.log.slice(before).includes('"msg":"listening"'));
    return isDead;
  }

  async #settled(): Promise<{ db1: DomainInfo | null; other: DomainInfo | null }> {
    return eventually('every domain has come to rest', async () => {
      const [db1, other] = await Promise.all(['db1', 'other'].map(async (name) => infoOf(this.host, name)));
      return [db1, other].every(isAtRest) && { db1: db1 ?? null, other: other ?? null };
    });
  }

  #judgeOther(info: DomainInfo | null): string[] {
    const isSame = info?.pid === this.#other!.pid && isThere(this.#other!) && info.state === 'running';
    return [
      ...(isSame ? [] : [`'other' is ${info?.state ?? 'gone'}, pid ${info?.pid}, and was ${this.#other!.pid}`]),
      ...judgeWord(this.host, 'other', info, this.#otherImage),
    ];
  }

  async #putAway(db1: DomainInfo | null): Promise<void> {
    const client = this.host.client();
    if (db1?.id != null) await client.destroy('db1', { wait: 'off' });
    if (db1?.persistent) await client.undefine('db1', null);
    await eventually('db1 is gone', async () => (await infoOf(this.host, 'db1')) === null);
    for (const name of damaged(this.host)) rmSync(this.host.at(`state/${name}`));
  }

  /** They are on disk a moment after they are true. A journal that was written anew has no history. */
  async #judgeEvents({ scenario }: Cell, firstId: number): Promise<string[]> {
    if (scenario === 'large journal') return [];
    const inTime = eventually('all is told', () => judgeEvents(this.host, firstId).length === 0, eventsDeadlineMs);
    return inTime.then(
      () => [],
      () => judgeEvents(this.host, firstId),
    );
  }

  #leavings(): string[] {
    return judgeLeavings(this.host, this.#other!.id);
  }
}

/** Nothing of it is on the way anywhere, nor waits. */
function isAtRest(info: DomainInfo | null | undefined): boolean {
  if (!info) return true;
  // One whose time runs is about to end.
  if (info.incarnations.some(({ asked }) => asked !== null && asked.destroyAt !== null)) return false;
  return steady.has(info.state) && info.incarnations.length < 2 && !info.queuedStart;
}

async function infoOf(host: Host, name: string): Promise<DomainInfo | null> {
  try {
    return await host.info(name);
  } catch (error) {
    if (error instanceof DomctlError && error.code === 'NO_SUCH_DOMAIN') return null;
    throw error;
  }
}

/** No incarnation of this host has that number or a later one. */
function nextId(host: Host): number {
  const ids = host.journal().map(({ launch, incarnation }) => Number(launch?.id ?? incarnation ?? 0));
  return Math.max(0, ...ids) + 1;
}

function damaged(host: Host): string[] {
  return existsSync(host.at('state')) ? namesIn(host.at('state')).filter((name) => name.includes('.damaged-')) : [];
}

function outcomeOf(info: DomainInfo | null, { hypervisor }: Crash): string {
  if (info === null) return 'not defined';
  const isSame = info.pid !== null && info.pid === hypervisor?.pid;
  const process = info.pid === null ? '' : isSame ? ', the same process' : ', started once';
  const whose = info.persistent ? '' : ', undefined';
  return `${info.state} (${info.reason})${process}${whose}`;
}
