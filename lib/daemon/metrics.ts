/**
 * What Prometheus scrapes: text format 0.0.4. Gauges are read anew for every scrape; what is unknown is absent, never zero.
 * Counters and histograms live as long as the daemon: a restart begins them anew, as Prometheus expects.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { FastifyInstance } from 'fastify';
import type { DomainRow, ResourcesAnswer } from '../client/contract.ts';
import type { IncarnationState } from '../domain/incarnation.ts';
import { asDomctlError } from '../errors.ts';
import type { HostConfig } from '../policy/types.ts';
import type { Fleet } from './fleet.ts';
import type { Neighbours } from './neighbours.ts';
import type { Supervisor } from './supervisor.ts';
import { drainView, listDomains, resourcesView } from './views.ts';

/** A gauge for each name; without a value there is no line. */
type Gauges = readonly (readonly [name: string, help: string, value: number | null])[];

/** From a small guest to terabytes that are freed by one core. */
const drainBuckets = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600];
/** How often the delay of the event loop is looked at; prom-client's 10 ms would wake an idle daemon all the time. */
const loopPrecisionMs = 100;

export class Metrics {
  readonly #registry = new Registry();
  readonly #started = this.#counter('domctl_incarnations_started_total', 'Launches that came to run', []);
  readonly #ended = this.#counter('domctl_incarnations_ended_total', 'Incarnations released, by outcome', ['outcome']);
  readonly #brakes = this.#counter('domctl_brakes_total', 'Machines that began braked', []);
  readonly #unbraked = this.#counter('domctl_brakes_lifted_total', 'Brakes lifted', []);
  readonly #refused = this.#counter('domctl_start_refusals_total', 'Starts refused, by error code', ['verb', 'code']);
  readonly #drains = new Histogram({
    name: 'domctl_drain_duration_seconds',
    help: 'From exclusive resources free to all memory back',
    buckets: drainBuckets,
    registers: [this.#registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: loopPrecisionMs });
  }

  /** Counts a change of state; for `Services.published`. */
  published({ state }: Pick<Supervisor, 'state'>, before: IncarnationState): void {
    if (before.kind === 'launching' && state.kind === 'running') this.#started.inc();
    this.#countBrake(state, before);
    if (state.kind !== 'released' || before.kind === 'released') return;
    this.#ended.inc({ outcome: state.outcome.kind });
    if (before.kind === 'draining') this.#drains.observe((state.sinceMs - before.sinceMs) / 1000);
  }

  /** One that ends with its machine was never lifted. */
  #countBrake(state: IncarnationState, before: IncarnationState): void {
    const [was, is] = [isBraked(before), isBraked(state)];
    if (is && !was) this.#brakes.inc();
    if (was && !is && 'brakedSinceMs' in state) this.#unbraked.inc();
  }

  /** Counts a start that was refused, by whoever it was asked for. */
  refused(verb: 'start' | 'force-start', error: unknown): void {
    this.#refused.inc({ verb, code: asDomctlError(error).code });
  }

  /** Everything as text. `host` is the configuration as of now; null, when it cannot be read: what follows from it is absent. */
  async text(fleet: Fleet, neighbours: Neighbours, host: HostConfig | null): Promise<string> {
    const stalled = drainView(fleet, null).draining.filter(({ stalledForMs }) => stalledForMs !== null).length;
    const now = new Registry();
    addStates(now, listDomains(fleet));
    const braked = fleet.supervisors.flatMap(({ brake }) => (brake ? [brake] : []));
    addGauges(now, [
      ['domctl_stalled_incarnations', 'Drains without a byte falling', stalled],
      ['domctl_braked_incarnations', 'Held below what they were promised', braked.length],
    ]);
    if (host) addGauges(now, gaugesOf(await resourcesView({ fleet, neighbours, host })));
    const text = await Registry.merge([now, this.#registry]).metrics();
    // A mean of nothing, and spelt as no parser is promised: what is not known is absent.
    return text.replaceAll(/^.* Nan\n/gm, '');
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }
}

function isBraked(state: IncarnationState): boolean {
  return 'brakedSinceMs' in state && state.brakedSinceMs !== null;
}

/** Counts what the start route refuses; a dry run starts nothing. */
export function countRefusals(app: FastifyInstance, metrics: Metrics): void {
  app.addHook('onError', async (request, _reply, error) => {
    if (!request.routeOptions.url?.endsWith('/domains/:domain/start')) return;
    const { force = false, dryRun = false } = (request.body ?? {}) as { force?: boolean; dryRun?: boolean };
    if (!dryRun) metrics.refused(force ? 'force-start' : 'start', error);
  });
}

/** Every state a domain is in now; a word nobody is in is no line. */
function addStates(registry: Registry, rows: readonly DomainRow[]): void {
  const gauge = new Gauge({
    name: 'domctl_domains',
    help: 'Domains, by state',
    labelNames: ['state'],
    registers: [registry],
  });
  for (const { state } of rows) gauge.inc({ state });
}

function addGauges(registry: Registry, gauges: Gauges): void {
  for (const [name, help, value] of gauges) {
    if (value !== null) new Gauge({ name, help, registers: [registry] }).set(value);
  }
}

type Ledger = NonNullable<ResourcesAnswer['memory']>;

const ledgerGauges: readonly (readonly [name: string, help: string, key: keyof Ledger & `${string}Bytes`])[] = [
  ['domctl_host_memory_bytes', 'MemTotal', 'totalBytes'],
  ['domctl_host_memory_available_bytes', 'MemAvailable', 'availableBytes'],
  ['domctl_host_huge_pool_bytes', 'Huge page pools, used or not', 'hugePoolBytes'],
  ['domctl_reserve_bytes', 'Kept from domains by host.yaml', 'reserveBytes'],
  ['domctl_foreign_bytes', 'Used by programs that domctl does not run', 'foreignBytes'],
  ['domctl_elsewhere_bytes', 'Promised by other daemons of this host, and not touched yet', 'elsewhereBytes'],
  ['domctl_capacity_bytes', 'What domains may have in all', 'capacityBytes'],
  ['domctl_promised_bytes', 'What live domains may grow to', 'promisedLiveBytes'],
  ['domctl_held_bytes', 'Charged to live incarnations', 'heldLiveBytes'],
  ['domctl_draining_bytes', 'Charged to draining incarnations', 'heldDrainingBytes'],
  ['domctl_free_to_promise_bytes', 'Capacity less promised and draining', 'freeToPromiseBytes'],
];

/** With one part unknown there is no ledger, and none of its gauges. */
function gaugesOf({ memory, drainRateBytes, drainingIncarnations }: ResourcesAnswer): Gauges {
  return [
    ...ledgerGauges.map(([name, help, key]) => [name, help, memory && memory[key]] as const),
    ['domctl_drain_rate_bytes_per_second', 'How fast memory comes back', drainRateBytes],
    ['domctl_draining_incarnations', 'Incarnations with only memory left', drainingIncarnations],
  ];
}
