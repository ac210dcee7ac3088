/** What a restart would cost under each policy, on a virtual host and clock: downtime, peak of memory, time under the brake. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytes } from '../format.ts';
import { invalidPolicy } from '../policy/problem.ts';
import { loadHostConfig, loadPolicy, type Places } from '../policy/load.ts';
import type { HostConfig, Policy } from '../policy/types.ts';
import { readScenario, type Scenario } from './scenario.ts';
import { VirtualHost } from './virtual-host.ts';

/** One policy's run; bytes and ms. */
export interface PolicyRun {
  readonly policy: string;
  /** What a restart under it comes to, both with `--wait`. */
  readonly verb: 'start' | 'force-start';
  /** From destroy until it serves; null: one of them did not within a day. */
  readonly downtimeMs: { readonly longest: number; readonly mean: number } | null;
  /** Under a limit less than its promise, and of that, standing still for want of memory: the longest. */
  readonly brakedMs: number;
  readonly heldBackMs: number;
  /** The most in use on the host, and what must never be passed. */
  readonly peakBytes: number;
  readonly boundBytes: number;
  readonly restarts: readonly {
    readonly name: string;
    readonly destroyedMs: number;
    readonly admittedMs: number | null;
    readonly servesMs: number | null;
    readonly brakedMs: number;
    readonly heldBackMs: number;
  }[];
}

export interface Simulation {
  readonly file: string;
  readonly description: string;
  readonly host: { readonly totalBytes: number; readonly otherBytes: number; readonly capacityBytes: number };
  readonly restart: { readonly count: number; readonly memoryBytes: number; readonly drainRateBytes: number };
  readonly runs: readonly PolicyRun[];
}

/** A scenario by its file, or by the name of one that comes with domctl. Throws INVALID_POLICY with file, line and key. */
export async function simulateFile(named: string, places: Places): Promise<Simulation> {
  const { value: config } = await loadHostConfig(places);
  const shipped = join(places.shippedDir, 'scenarios', `${named}.yaml`);
  const file = !existsSync(named) && /^[\w.-]+$/.test(named) && existsSync(shipped) ? shipped : named;
  const scenario = await readScenario(file, config);
  const policies = await Promise.all(scenario.policies.map(async (name) => loadPolicy(name, places)));
  const { capacityBytes, freeToPromiseBytes } = ledgerOf(scenario, config, policies[0]?.value, file);
  if (freeToPromiseBytes < 0) {
    const what = `restart and neighbours are promised ${formatBytes(-freeToPromiseBytes)} more than the host's capacity`;
    throw invalidPolicy({ file, key: 'host.memory', what, hint: 'give the host more memory, or run fewer' });
  }
  const { host, restart, drain } = scenario;
  return {
    file,
    description: scenario.description,
    host: { totalBytes: host.memoryBytes, otherBytes: host.otherBytes, capacityBytes },
    restart: { count: restart.count, memoryBytes: restart.memoryBytes, drainRateBytes: drain.rateBytes },
    runs: policies.map(({ value }) => runPolicy(scenario, value, config)),
  };
}

function ledgerOf(scenario: Scenario, config: HostConfig, policy: Policy | undefined, file: string) {
  if (!policy) throw invalidPolicy({ file, key: 'policies', what: 'names no policy', hint: 'write [balanced]' });
  return new VirtualHost(scenario, policy, config).ledger([]);
}

const longestMs = 24 * 3_600_000;

/** Runs until everything is at rest, for a day at the most. */
export function runPolicy(
  scenario: Scenario,
  policy: Policy,
  config: HostConfig,
  tickMs: number = chooseTick(scenario),
): PolicyRun {
  const host = new VirtualHost(scenario, policy, config);
  while (!host.isAtRest && host.nowMs < longestMs) host.tick(tickMs);
  return {
    policy: policy.name,
    verb: policy.forceStart.allow ? 'force-start' : 'start',
    downtimeMs: downtimeOf(host),
    brakedMs: Math.max(...host.restarts.map(({ brakedMs }) => brakedMs)),
    heldBackMs: Math.max(...host.restarts.map(({ heldBackMs }) => heldBackMs)),
    peakBytes: host.peakBytes,
    boundBytes: host.boundBytes,
    restarts: host.restarts.map(({ domain, first: _first, ...times }) => ({ name: domain, ...times })),
  };
}

function downtimeOf({ restarts }: VirtualHost): PolicyRun['downtimeMs'] {
  const times = restarts.flatMap(({ servesMs, destroyedMs }) => (servesMs === null ? [] : [servesMs - destroyedMs]));
  if (times.length < restarts.length) return null;
  return { longest: Math.max(...times), mean: Math.round(times.reduce((a, b) => a + b, 0) / times.length) };
}

const [shortestTickMs, longestTickMs] = [10, 1000];
const ticksADrain = 2000;

/** Fine enough for one drain, coarse enough for a day. */
function chooseTick({ restart, drain }: Scenario): number {
  const drainMs = (restart.memoryBytes / drain.rateBytes) * 1000 + restart.everyMs * (restart.count - 1);
  return Math.min(longestTickMs, Math.max(shortestTickMs, Math.round(drainMs / ticksADrain)));
}
