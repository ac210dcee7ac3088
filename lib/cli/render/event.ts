/** An event in virsh's sentence; ours in the same, with what they know. */
import type { DomainEvent } from '../../client/contract.ts';
import { formatBytes, formatElapsed } from '../../format.ts';

/** `event 'lifecycle' for domain 'web1': Started Booted`. */
export function renderEvent(event: DomainEvent): string {
  const words = event.text === '' ? ourWords(event) : event.text;
  return `event '${event.event}' for domain '${event.domain}'${words === '' ? '' : `: ${words}`}`;
}

/** virsh's time stamp: `2026-11-20 23:10:00.819+0000`. */
export function renderTime(atMs: number): string {
  return new Date(atMs).toISOString().replace('T', ' ').replace('Z', '+0000');
}

type Data = DomainEvent['data'];

function ourWords({ event, incarnation, data }: DomainEvent): string {
  const parts = ours[event]?.(data);
  if (!parts) return '';
  return [...(incarnation === null ? [] : [`incarnation ${incarnation}`]), ...parts].join(', ');
}

const ours: Readonly<Record<string, (data: Data) => readonly string[]>> = {
  exiting: (data) => [String(data['outcome']), ...detail(data)],
  draining: (data) => [
    `${bytes(data['heldBytes'])} held`,
    ...elapsed('exclusive resources free after', data['freedAfterMs']),
  ],
  braked: (data) => [`${bytes(data['limitBytes'])} of ${bytes(data['promisedBytes'])}`],
  unbraked: (data) => [`all of ${bytes(data['promisedBytes'])}`],
  stalled: (data) => [`${bytes(data['heldBytes'])} held`],
  released: (data) => [
    `${String(data['outcome'])}${data['oomKilled'] === true ? ', by the OOM killer' : ''}`,
    ...elapsed('all memory back after', data['releasedAfterMs']),
  ],
  lost: (data) => [String(data['reason'])],
  found: (data) => [String(data['state'])],
  'autostart-refused': (data) => [String(data['reason'])],
};

function detail(data: Data): string[] {
  const { detail: words = null } = data;
  return words === null ? [] : [String(words)];
}

function bytes(value: Data[string] | undefined): string {
  return typeof value === 'number' ? formatBytes(value) : '?';
}

function elapsed(what: string, value: Data[string] | undefined): string[] {
  return typeof value === 'number' ? [`${what} ${formatElapsed(value)}`] : [];
}
