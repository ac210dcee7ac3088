/** A domain in words: domstate's one line, dominfo's block, drain's lines. */
import type { DomainInfo, DrainAnswer, DrainRow, IncarnationInfo } from '../../client/contract.ts';
import { formatBytes, formatElapsed, formatRemaining } from '../../format.ts';
import { heldText, speedParts } from './memory.ts';

/** `draining (destroyed), 300.0 GiB held, 24.2 GiB/s, 12 s left`, or with a predecessor what that one still holds. */
export function renderState(info: DomainInfo): string {
  const [current, ...before] = info.incarnations;
  const parts = [`${info.state} (${info.reason})`];
  if (current?.state === 'draining')
    parts.push(`${heldText(current)} held`, ...speedParts(current), ...holderText(current));
  for (const predecessor of before)
    parts.push(`predecessor ${predecessor.id} ${predecessor.state}, ${heldText(predecessor)} held`);
  return parts.join(', ');
}

function holderText({ holder }: { readonly holder: string | null }): string[] {
  return holder === null ? [] : [`held by ${holder}`];
}

type Field = readonly [label: string, value: string];

/** virsh's block of `Label:          value` lines, and one block for each incarnation that is left. */
export function renderInfo(info: DomainInfo): string {
  const outcome = info.lastOutcome;
  const fields: Field[] = [
    ['Id:', info.id === null ? '-' : String(info.id)],
    ['Name:', info.name],
    ['UUID:', info.uuid],
    ['State:', info.state],
    ['CPU(s):', String(info.vcpus)],
    ['Memory:', formatBytes(info.memoryBytes)],
    ['Held:', heldText(info)],
    ['Persistent:', info.persistent ? 'yes' : 'no'],
    ['Autostart:', info.autostart ? 'enable' : 'disable'],
    ['Policy:', info.policy ?? "the host's default"],
    ['Queued start:', info.queuedStart ? 'yes' : 'no'],
    ...(info.qemuArguments.length > 0 ? ([['QEMU options:', info.qemuArguments.join(' ')]] as Field[]) : []),
    ...(outcome ? ([['Last outcome:', `incarnation ${outcome.id}: ${outcomeText(outcome)}`]] as Field[]) : []),
  ];
  return [renderFields(fields), ...info.incarnations.map(renderIncarnation)].join('\n');
}

function outcomeText(outcome: NonNullable<DomainInfo['lastOutcome']>): string {
  const how =
    outcome.signal === null
      ? outcome.exitCode === null
        ? ''
        : `, exit code ${outcome.exitCode}`
      : `, signal ${outcome.signal}`;
  const oom = outcome.oomKilled ? ', by the OOM killer' : '';
  return `${outcome.kind}${how}${oom}${outcome.detail ? ` (${outcome.detail})` : ''}`;
}

function renderIncarnation(one: IncarnationInfo): string {
  const fields: Field[] = [
    ['Incarnation:', `${one.id}, ${one.state} (${one.reason}) since ${one.since}`],
    ...askedFields(one),
    ['PID:', one.pid === null ? '-' : String(one.pid)],
    ['Cgroup:', one.cgroup],
    ['Promised:', formatBytes(one.promisedBytes)],
    ['Held:', heldText(one)],
    ['Helper:', one.helper],
    ...one.companions.map(
      ({ kind, pid }): Field => ['Companion:', pid === null ? `${kind}, ended` : `${kind}, pid ${pid}`],
    ),
    ['Emulator:', `${one.emulator} (QEMU ${one.emulatorVersion})`],
    ...one.startedOver.map((id): Field => ['Started over:', `incarnation ${id}`]),
    ...brakeFields(one),
    ...one.busy.map(
      ({ resource, probe, holder }): Field => [
        'Not free:',
        `${resource}: ${probe}${holder ? `, held by ${holder}` : ''}`,
      ],
    ),
    ...one.freed.map(({ resource, probe }): Field => ['Free:', `${resource}: ${probe}`]),
    ...(one.freedAfterMs === null ? [] : ([['Freed after:', formatElapsed(one.freedAfterMs)]] as Field[])),
    ...(one.stalledForMs === null ? [] : ([['Stalled:', formatElapsed(one.stalledForMs)]] as Field[])),
    ...(one.holder === null ? [] : ([['Held by:', one.holder]] as Field[])),
  ];
  return renderFields(fields);
}

function brakeFields({ brake, promisedBytes }: IncarnationInfo): Field[] {
  if (brake === null) return [];
  const limit = brake.limitBytes === null ? '?' : formatBytes(brake.limitBytes);
  const still = brake.frozenMs === null ? '' : `, stood still for ${formatElapsed(brake.frozenMs)}`;
  return [['Braked:', `${limit} of ${formatBytes(promisedBytes)}${still}`]];
}

function askedFields({ asked }: IncarnationInfo): Field[] {
  if (asked === null) return [];
  const what = asked.to === 'shutdown' ? 'shut down' : 'reboot';
  return [['Asked to:', asked.destroyAt === null ? what : `${what}, destroyed at ${asked.destroyAt} if it has not`]];
}

function renderFields(fields: readonly Field[]): string {
  return fields.map(([label, value]) => `${label.padEnd(15)} ${value}\n`).join('');
}

/** What `drain` says of a domain of which nothing drains: who asks wants to know what has its memory. */
export function renderAtRest(info: DomainInfo): string {
  const by = info.pid === null ? '' : ` by its hypervisor (pid ${info.pid})`;
  return `Nothing is draining: '${info.name}' is ${info.state}, ${heldText(info)} held${by}`;
}

const barWidth = 20;

/** One line of `drain`; with `bar` for a terminal. */
export function renderDrain(row: DrainRow, bar: boolean): string {
  const head = ` ${row.id}  ${row.name}  `;
  if (row.state === 'exiting') return `${head}exiting: ${exitingText(row)}`;
  const holder = row.holder ? [`held by ${row.holder}`] : [];
  if (row.stalledForMs !== null) {
    return head + [`stalled ${formatRemaining(row.stalledForMs)}: ${heldText(row)} left`, ...holder].join('  ');
  }
  const from = row.fromBytes === null ? '?' : formatBytes(row.fromBytes);
  const helper = row.helperPid === null || row.holder ? [] : [`teardown helper (pid ${row.helperPid})`];
  const left = `${heldText(row)} of ${from} left`;
  const parts = [...(bar ? [renderBar(row)] : []), left, ...speedParts(row), ...holder, ...helper];
  return head + parts.join('  ');
}

function exitingText({ busy: [busy] }: DrainRow): string {
  if (!busy) return 'the hypervisor has not ended';
  return `${busy.resource} is not free${busy.holder ? `, held by ${busy.holder}` : ''}`;
}

function renderBar({ heldBytes, fromBytes }: DrainRow): string {
  const left = heldBytes === null || !fromBytes ? 1 : Math.min(1, heldBytes / fromBytes);
  const done = Math.round((1 - left) * barWidth);
  return `[${'#'.repeat(done)}${'-'.repeat(barWidth - done)}]`;
}

export function renderReleased(one: DrainAnswer['released'][number]): string {
  return ` ${one.id}  ${one.name}  released: ${formatBytes(one.fromBytes)} in ${formatElapsed(one.releasedAfterMs)}; exclusive resources were free after ${formatElapsed(one.freedAfterMs)}`;
}
