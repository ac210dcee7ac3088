/**
 * A scenario file: a virtual host, who lives on it, what is restarted, how fast memory comes back and is asked for.
 * Read and refused as policy files are. Must not know: what happens.
 */
import { z } from 'zod';
import { checkSource, type Kind } from '../policy/check.ts';
import * as field from '../policy/fields.ts';
import { readIfPresent } from '../policy/files.ts';
import { invalidPolicy } from '../policy/problem.ts';
import { optional } from '../policy/schema.ts';
import { readSource, type Source } from '../policy/source.ts';
import type { HostConfig, Share } from '../policy/types.ts';

/** Sizes in bytes, shares in percent of a promise, times in ms. */
export interface Scenario {
  readonly description: string;
  readonly host: {
    readonly memoryBytes: number;
    /** Used by what domctl does not run. */
    readonly otherBytes: number;
    readonly overcommit: number;
    readonly reserve: Share;
    readonly pressurePercent: number;
  };
  /** Destroyed one `everyMs` after the other, and started again as its policy allows. */
  readonly restart: Group & { readonly preallocated: boolean; readonly everyMs: number };
  /** They stay, and hold what they hold. */
  readonly neighbours: Group;
  readonly drain: {
    readonly rateBytes: number;
    readonly freedMs: number;
    /** No byte falls for so long, so long after the first did; null: it never stalls. */
    readonly stallAfterMs: number | null;
    readonly stallForMs: number;
  };
  readonly boot: {
    /** The least from admission until it serves. */
    readonly timeMs: number;
    /** How fast it touches memory, a second. */
    readonly dirtyRateBytes: number;
    /** Of its promise, what it must have to serve. */
    readonly needsPercent: number;
  };
  readonly policies: readonly string[];
}

/** Machines of one kind. */
export interface Group {
  readonly count: number;
  readonly memoryBytes: number;
  readonly vcpus: number;
  /** Of its promise, what one holds, and a restarted one touches again. */
  readonly heldPercent: number;
}

const head = {
  kind: field.exactly('scenario', 'What this file is.'),
  version: field.exactly(1, 'Version of this format.'),
};

const largestFleet = 1000;
const largestGuest = 4096;

const shape = {
  description: field.prose('One line for people.'),
  host: z.strictObject({
    memory: field.size("The host's memory.", 2 ** 20),
    other: field.size('Used by what domctl does not run.'),
    overcommit: field.factor(0.1, 4, 'As in host.yaml, which is the default.'),
    reserve: field.share('As in host.yaml, which is the default.'),
    pressure: field.percent('Memory pressure of the host.'),
  }),
  restart: z.strictObject({
    count: field.integer(1, largestFleet, 'How many are restarted.'),
    every: field.duration('Time between one and the next.'),
    memory: field.size('Memory of each.', 2 ** 20),
    vcpus: field.integer(1, largestGuest, 'vCPUs of each.'),
    held: field.percent('Of its promise, what each holds, and touches again.'),
    preallocated: field.flag('Whether it needs its whole size at once.'),
  }),
  neighbours: z.strictObject({
    count: field.integer(0, largestFleet, 'How many stay.'),
    memory: field.size('Memory of each.', 2 ** 20),
    vcpus: field.integer(1, largestGuest, 'vCPUs of each.'),
    held: field.percent('Of its promise, what each holds.'),
  }),
  drain: z.strictObject({
    rate: field.size('Memory given back per second, by each.', 2 ** 10),
    freed: field.duration('From destroy until all but memory is free.'),
    stallAfter: field.durationOr('never', 'When no byte falls for a while.'),
    stallFor: field.duration('For how long.'),
  }),
  boot: z.strictObject({
    time: field.duration('The least from admission until it serves.'),
    dirtyRate: field.size('Memory touched per second.', 2 ** 10),
    needs: field.percent('Of its promise, what it must have to serve.'),
  }),
  policies: field.policyNames('The policies that are compared.'),
};

const kind: Kind = { file: z.strictObject({ ...head, ...optional(shape) }), shape: { ...head, ...shape } };

type Written = Partial<z.output<z.ZodObject<{ [K in keyof typeof shape]: (typeof shape)[K] }>>>;

/** The scenario in a file; what it leaves out is the host's, or usual. Throws INVALID_POLICY with line and key. */
export async function readScenario(file: string, host: HostConfig): Promise<Scenario> {
  const text = await readIfPresent(file, { counts: false });
  if (text === null) throw invalidPolicy({ file, what: 'there is no such file' });
  return parseScenario(text, file, host);
}

/** The same from its text. */
export function parseScenario(text: string, file: string, host: HostConfig): Scenario {
  const source = readSource(text, file);
  checkSource(source, kind);
  for (const [section, key] of [
    ['host', 'memory'],
    ['restart', 'memory'],
  ] as const) {
    if (source.valueAt([section, key]) === undefined) throw missing(source, section, key);
  }
  const scenario = complete(kind.file.parse(source.data) as Written, host);
  if (scenario.boot.needsPercent > scenario.restart.heldPercent) {
    const [at, key] = [source.valueAt(['boot', 'needs']), 'boot.needs'];
    const what = `${scenario.boot.needsPercent}% is more than is ever touched (restart.held)`;
    throw invalidPolicy({ file, at, key, what, hint: `write at most ${scenario.restart.heldPercent}%` });
  }
  return scenario;
}

function missing({ file, keyAt }: Source, section: string, key: string) {
  const at = keyAt([section]) ?? { line: 1, column: 1 };
  const hint = `say how much: ${section}: { ${key}: 64GiB }`;
  return invalidPolicy({ file, at, key: `${section}.${key}`, what: 'missing key', hint });
}

const usual = {
  restart: { count: 1, every: 0, memory: 0, vcpus: 4, held: 100, preallocated: false },
  neighbours: { count: 0, memory: 2 ** 30, vcpus: 2, held: 50 },
  drain: { rate: 13 * 2 ** 30, freed: 50, stallAfter: null, stallFor: 0 },
  boot: { time: 2000, dirtyRate: 4 * 2 ** 30, needs: 10 },
  policies: ['strict', 'balanced', 'restart-first'],
} as const;

function complete(written: Written, { capacity }: HostConfig): Scenario {
  const host = { memory: 0, other: 0, ...capacity, pressure: 0, ...written.host };
  const restart = { ...usual.restart, ...written.restart };
  const neighbours = { ...usual.neighbours, ...written.neighbours };
  const drain = { ...usual.drain, ...written.drain };
  const boot = { ...usual.boot, ...written.boot };
  return {
    description: written.description ?? '',
    host: {
      memoryBytes: host.memory,
      otherBytes: host.other,
      overcommit: host.overcommit,
      reserve: host.reserve,
      pressurePercent: host.pressure,
    },
    restart: { ...groupOf(restart), preallocated: restart.preallocated, everyMs: restart.every },
    neighbours: groupOf(neighbours),
    drain: {
      rateBytes: drain.rate,
      freedMs: drain.freed,
      stallAfterMs: drain.stallAfter,
      stallForMs: drain.stallFor,
    },
    boot: { timeMs: boot.time, dirtyRateBytes: boot.dirtyRate, needsPercent: boot.needs },
    policies: written.policies ?? usual.policies,
  };
}

function groupOf(group: { count: number; memory: number; vcpus: number; held: number }): Group {
  return { count: group.count, memoryBytes: group.memory, vcpus: group.vcpus, heldPercent: group.held };
}
