/** Memory in words: held, draining, the ledger, the arithmetic of a start. */
import type {
  DomainRow,
  DrainFields,
  HeldFields,
  QueuedInfo,
  ResourcesAnswer,
  StartAnswer,
} from '../../client/contract.ts';
import { formatBytes, formatRate, formatRemaining, shownBytes } from '../../format.ts';
import { renderTable } from './table.ts';

/** `201.4 GiB`, or `?` for what cannot be read: never 0.0. */
export function heldText({ heldBytes }: HeldFields): string {
  return heldBytes === null ? '?' : formatBytes(heldBytes);
}

/** `300.0 GiB, 12 s left`, or `-` where nothing drains. */
function drainingText(row: DrainFields): string {
  if (row.drainingBytes === null) return '?';
  if (row.drainingBytes === 0 && row.drainRateBytes === null) return '-';
  const eta = row.drainEtaMs === null ? '' : `, ${formatRemaining(row.drainEtaMs)} left`;
  return `${formatBytes(row.drainingBytes)}${eta}`;
}

/** `24.2 GiB/s` and `12 s left`, each where it is known. */
export function speedParts({ drainRateBytes, drainEtaMs }: Omit<DrainFields, 'drainingBytes'>): string[] {
  const rate = drainRateBytes ? [formatRate(drainRateBytes)] : [];
  const eta = drainEtaMs === null ? [] : [`${formatRemaining(drainEtaMs)} left`];
  return [...rate, ...eta];
}

export function renderList(rows: readonly DomainRow[]): string {
  const columns = [
    { title: 'Id' },
    { title: 'Name' },
    { title: 'State' },
    { title: 'Memory', align: 'right' },
    { title: 'Held', align: 'right' },
    { title: 'Draining' },
  ] as const;
  const cells = rows.map((row) => [
    row.id === null ? '-' : String(row.id),
    row.name,
    stateText(row),
    formatBytes(row.memoryBytes),
    heldText(row),
    drainingText(row),
  ]);
  return renderTable(columns, cells);
}

export function renderResources(answer: ResourcesAnswer): string {
  const ledger =
    answer.memory === null
      ? `error: the ledger cannot be drawn up: ${answer.memoryUnknown ?? 'unknown'}\n`
      : renderLedger(answer, answer.memory) + renderPools(answer.hugePools);
  const columns = [
    { title: 'Id' },
    { title: 'Name' },
    { title: 'State' },
    { title: 'Promised', align: 'right' },
    { title: 'Held', align: 'right' },
    { title: 'Exclusive resources' },
  ] as const;
  const queue = renderQueue(answer.queued);
  if (answer.incarnations.length === 0) return `${ledger}${queue}`;
  const rows = answer.incarnations.map((row) => [
    String(row.id),
    row.name,
    row.state,
    row.promisedBytes === null ? '-' : formatBytes(row.promisedBytes),
    heldText(row),
    row.exclusiveFree ? 'all free' : exclusiveText(row),
  ]);
  return `${ledger}\n${renderTable(columns, rows)}${queue}`;
}

/** Starts that wait, in their order, and for what; nothing where none does. */
export function renderQueue(queued: readonly QueuedInfo[]): string {
  if (queued.length === 0) return '';
  const columns = [
    { title: 'Queued', align: 'right' },
    { title: 'Name' },
    { title: 'Verb' },
    { title: 'Set aside', align: 'right' },
    { title: 'Since', align: 'right' },
    { title: 'Waits for' },
  ] as const;
  const rows = queued.map((one) => [
    String(one.position),
    one.name,
    one.verb,
    formatBytes(one.promisedBytes),
    formatRemaining(one.waitingMs),
    reasonOf(one),
  ]);
  return `\n${renderTable(columns, rows)}`;
}

/** What the refusal says, without who is refused. */
function reasonOf({ refusal, name }: QueuedInfo): string {
  if (refusal === null) return 'its turn';
  const heads = ['start', 'force-start'].map((verb) => `cannot ${verb} domain '${name}': `);
  const head = heads.find((one) => refusal.message.startsWith(one)) ?? '';
  return refusal.message.slice(head.length);
}

/** `2 disks, 1 tap, 1 port`; what there is none of is left out. */
function exclusiveText(row: Pick<ResourcesAnswer['incarnations'][number], 'disks' | 'taps' | 'ports'>): string {
  const counts = [
    [row.disks, 'disk'],
    [row.taps, 'tap'],
    [row.ports, 'port'],
  ] as const;
  const parts = counts.flatMap(([count, what]) => (count > 0 ? [countOf(count, what)] : []));
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function renderLedger(answer: ResourcesAnswer, memory: NonNullable<ResourcesAnswer['memory']>): string {
  const pools: [string, number, string][] =
    memory.hugePoolBytes > 0 ? [[' - huge page pools', memory.hugePoolBytes, 'not for 4 KiB memory']] : [];
  const queued: [string, number, string][] =
    memory.queuedBytes > 0 ? [[' - set aside', memory.queuedBytes, countOf(answer.queued.length, 'queued start')]] : [];
  const elsewhere: [string, number, string][] =
    memory.elsewhereBytes > 0 ? [[' - other daemons', memory.elsewhereBytes, 'promised by them, not used yet']] : [];
  const lines: [string, number, string][] = [
    ['Host memory', memory.totalBytes, ''],
    ...pools,
    [' - reserve', memory.reserveBytes, `host.yaml: ${memory.reserve}`],
    [' - other programs', memory.foreignBytes, 'not started by domctl'],
    ...elsewhere,
    [' = capacity', memory.capacityBytes, `overcommit ${memory.overcommit.toFixed(1)}`],
    [
      ' - promised, live',
      memory.promisedLiveBytes,
      `${countOf(answer.liveDomains, 'domain')}, ${formatBytes(memory.heldLiveBytes)} held now`,
    ],
    [
      ' - draining',
      memory.heldDrainingBytes,
      [countOf(answer.drainingIncarnations, 'incarnation'), ...speedParts(answer)].join(', '),
    ],
    ...queued,
    [' = free to promise', memory.freeToPromiseBytes, ''],
  ];
  return lines
    .map(([label, bytes, note]) => `${label.padEnd(19)}${formatBytes(bytes).padStart(12)}   ${note}`.trimEnd() + '\n')
    .join('');
}

/** A line a pool of huge pages: what of it is free, and on which node where there are several. */
function renderPools(pools: ResourcesAnswer['hugePools']): string {
  const lines = pools.map(({ pageBytes, totalBytes, freeBytes, nodes }) => {
    const label = `Pages of ${pageBytes / 2 ** 20} MiB`.padEnd(19);
    const parts = nodes.length > 1 ? nodes.map((one) => `node ${one.node}: ${formatBytes(one.freeBytes)}`) : [];
    const note = [`${formatBytes(freeBytes)} free`, ...parts].join(', ');
    return `${label}${formatBytes(totalBytes).padStart(12)}   ${note}\n`;
  });
  return lines.join('');
}

/** `2 disks`, `1 disk`. */
function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** What `part` as it is shown leaves of `whole` as it is shown: the eye adds up the two. */
function formatRest(whole: number, part: number): string {
  return formatBytes(shownBytes(whole) - shownBytes(part));
}

/** Two readings of what drains are not of the same moment. */
const readTwiceBytes = 64 * 1024 ** 2;

/** `policy balanced allows 128.4 GiB (25%)`; a start allows none under any policy. */
function allowedText(answer: Pick<StartAnswer, 'policy' | 'allowedShortfallBytes' | 'allowedShortfall'>): string {
  if (answer.allowedShortfallBytes === 0) return 'none is allowed';
  const share = answer.allowedShortfall.endsWith('%') ? ` (${answer.allowedShortfall})` : '';
  return `policy ${answer.policy} allows ${formatBytes(answer.allowedShortfallBytes)}${share}`;
}

/** The word, and why a guest stands still that nobody paused. */
function stateText({ state, reason }: Pick<DomainRow, 'state' | 'reason'>): string {
  return state === 'paused' && reason === 'memory' ? 'paused (memory)' : state;
}

/** `Braked: db1 begins with 294.2 GiB of 513.7 GiB, all of it in about 9 s`; nothing for one that begins with all of it. */
export function renderBrake({ name, arithmetic, brake }: Pick<StartAnswer, 'name' | 'arithmetic' | 'brake'>): string {
  if (brake === null) return '';
  const begin = `${formatBytes(brake.limitBytes)} of ${formatBytes(arithmetic.promisedNewBytes)}`;
  const end = brake.allInMs === null ? '' : `, all of it in about ${formatRemaining(brake.allInMs)}`;
  return `Braked: ${name} begins with ${begin}${end}\n`;
}

/** The five lines behind every force-start, the same when it is tried, admitted or refused. */
export function renderArithmetic(
  answer: Pick<
    StartAnswer,
    | 'name'
    | 'arithmetic'
    | 'policy'
    | 'allowedShortfallBytes'
    | 'allowedShortfall'
    | 'overIncarnations'
    | 'overBytes'
    | 'memoryBytes'
  >,
): string {
  const { arithmetic } = answer;
  const own = answer.overIncarnations.map((id) => `incarnation ${id} of ${answer.name}`);
  const others = arithmetic.heldDrainingBytes - answer.overBytes > readTwiceBytes ? ['other domains'] : [];
  const ownBytes = arithmetic.promisedNewBytes - answer.memoryBytes;
  const overhead =
    ownBytes < 0
      ? `overhead; ${formatBytes(answer.memoryBytes)} come in huge pages`
      : `${formatBytes(answer.memoryBytes)} + ${formatRest(arithmetic.promisedNewBytes, answer.memoryBytes)} overhead`;
  const queued: [string, number, string][] =
    arithmetic.queuedBytes > 0 ? [['+ set aside', arithmetic.queuedBytes, 'for starts queued before']] : [];
  const spare = arithmetic.shortfallBytes < 0 ? `${formatBytes(-arithmetic.shortfallBytes)} to spare, ` : '';
  const lines: [string, number, string][] = [
    ['  promised by live domains', arithmetic.promisedLiveBytes, ''],
    ...queued,
    ['+ held by draining', arithmetic.heldDrainingBytes, [...own, ...others].join(', ')],
    [`+ promised to ${answer.name}`, arithmetic.promisedNewBytes, overhead],
    ['- capacity', arithmetic.capacityBytes, ''],
    ['= shortfall', Math.max(0, arithmetic.shortfallBytes), `${spare}${allowedText(answer)}`],
  ];
  const width = Math.max(30, ...lines.map(([label]) => label.length));
  return lines
    .map(
      ([label, bytes, note]) => `${label.padEnd(width)}${formatBytes(bytes).padStart(12)}   ${note}`.trimEnd() + '\n',
    )
    .join('');
}
