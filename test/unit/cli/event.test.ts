/** What `domctl event` understands by --since, and its sentences. */
import { describe, expect, test } from 'vitest';
import { parseSince } from '../../../lib/cli/verbs/event.ts';
import { renderEvent, renderTime } from '../../../lib/cli/render/event.ts';
import type { DomainEvent } from '../../../lib/client/contract.ts';

const now = Date.UTC(2026, 10, 21, 12);

describe('--since', () => {
  test.each([
    ['4711', { since: 4711 }],
    ['12h', { sinceMs: now - 12 * 3_600_000 }],
    ['2026-11-20T23:10:00Z', { sinceMs: Date.UTC(2026, 10, 20, 23, 10) }],
    ['2026-11-20 23:10:00.819+0000', { sinceMs: Date.UTC(2026, 10, 20, 23, 10, 0, 819) }],
    ['2026-11-20 23:10', { sinceMs: new Date(2026, 10, 20, 23, 10).getTime() }],
  ])('%s', (text, expected) => {
    expect(parseSince(text, now)).toEqual(expected);
  });

  test.each(['', 'yesterday', '-1', '12 h', '2026-13-40', '1.5'])('refuses %j', (text) => {
    expect(() => parseSince(text, now)).toThrow('is no duration, time or id');
  });
});

const event: DomainEvent = {
  id: 1,
  at: '',
  atMs: Date.UTC(2026, 10, 20, 23, 10, 0, 819),
  event: 'lifecycle',
  domain: 'db1',
  uuid: 'u',
  incarnation: 41,
  text: 'Started Booted',
  data: {},
};
const gib = 2 ** 30;

test.each<[Partial<DomainEvent>, string]>([
  [{}, "event 'lifecycle' for domain 'db1': Started Booted"],
  [{ event: 'reboot', text: '' }, "event 'reboot' for domain 'db1'"],
  [
    { event: 'draining', text: '', data: { heldBytes: 300 * gib, freedAfterMs: 2 } },
    "event 'draining' for domain 'db1': incarnation 41, 300.0 GiB held, exclusive resources free after 2 ms",
  ],
  [
    { event: 'stalled', text: '', data: { heldBytes: null } },
    "event 'stalled' for domain 'db1': incarnation 41, ? held",
  ],
  [
    { event: 'released', text: '', data: { outcome: 'crashed', oomKilled: true, releasedAfterMs: 21_200 } },
    "event 'released' for domain 'db1': incarnation 41, crashed, by the OOM killer, all memory back after 21.2 s",
  ],
  [
    { event: 'exiting', text: '', data: { outcome: 'failed', detail: 'out of luck' } },
    "event 'exiting' for domain 'db1': incarnation 41, failed, out of luck",
  ],
  [
    { event: 'autostart-refused', incarnation: null, text: '', data: { code: 'HOST_LACKS', reason: 'no such disk' } },
    "event 'autostart-refused' for domain 'db1': no such disk",
  ],
])('%j', (fields, sentence) => {
  expect(renderEvent({ ...event, ...fields })).toBe(sentence);
});

test("virsh's time stamp", () => {
  expect(renderTime(event.atMs)).toBe('2026-11-20 23:10:00.819+0000');
});
