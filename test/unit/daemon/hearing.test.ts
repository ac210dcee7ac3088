import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Ears, hear } from '../../../lib/daemon/hearing.ts';
import type { NewEvent, Supervisor } from '../../../lib/daemon/supervisor.ts';
import type { QmpEvent } from '../../../lib/qemu/qmp-messages.ts';
import { launch, states } from '../domain/samples.ts';

let nowMs = 0;
const written: object[] = [];
const told: NewEvent[] = [];
const published: object[] = [];

/** As much of one as is asked for. */
function supervisor(): Supervisor {
  const planned = new Set<string>();
  return {
    launch,
    state: states.running,
    isPlanned: (plan: string) => planned.has(plan),
    plan: (plan: string, ms: number, work: () => Promise<void>) => {
      planned.add(plan);
      setTimeout(() => {
        planned.delete(plan);
        void work();
      }, ms);
    },
    inBackground: (_what: string, work: () => Promise<void>) => void work(),
    tell: async (event: NewEvent) => void told.push(event),
    services: {
      clock: { now: () => nowMs },
      log: { info: (line: object) => written.push(line), error: (line: object) => written.push(line) },
      events: { publish: (event: object) => published.push(event) },
    },
  } as unknown as Supervisor;
}

const resumed: NewEvent = { kind: 'guestResumed' };
const ask = vi.fn(async () => resumed);
const ears: Ears = {
  understand: ({ name }) => (name === 'STOP' ? { kind: 'guestPaused', reason: 'user' } : null),
  ask,
};

function event(name: string, data: QmpEvent['data'] = {}): QmpEvent {
  return { name, data, atMs: 0 };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  for (const list of [written, told, published]) list.length = 0;
  ask.mockClear();
  nowMs = 0;
});
afterEach(() => {
  vi.useRealTimers();
});

test('of changes sixty are told at once; for those past that the hypervisor is asked, once a second', async () => {
  const heard = supervisor();
  for (let count = 0; count < 500; count += 1) hear(heard, event('STOP'), ears);
  expect(told).toHaveLength(60);
  expect(ask).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1000);
  expect(ask).toHaveBeenCalledOnce();
  expect(told.at(-1)).toEqual(resumed);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(ask).toHaveBeenCalledOnce();
});

test('of events 240 are written down at once, then five a second, with how many were not', () => {
  const heard = supervisor();
  for (let count = 0; count < 1000; count += 1) hear(heard, event('RTC_CHANGE'), ears);
  expect(written).toHaveLength(240);
  nowMs = 1000;
  for (let count = 0; count < 1000; count += 1) hear(heard, event('RTC_CHANGE'), ears);
  expect(written).toHaveLength(245);
  expect(written[240]).toMatchObject({ unheard: 760 });
  expect(told).toEqual([]);
});

test('what is larger than any of QEMU is written down in part, and steers no terminal', () => {
  hear(supervisor(), event(`A\u001b[2J${'B'.repeat(100)}`, { reason: 'x'.repeat(10_000) }), ears);
  const [{ qmp, data }] = written as [{ qmp: string; data: string }];
  expect(qmp).toBe(`A [2J${'B'.repeat(59)}…`);
  expect(data).toHaveLength(1025);
});

test('an event that cannot be understood is written down as an error, and nothing else happens', () => {
  const broken: Ears = {
    ...ears,
    understand: () => {
      throw new TypeError('Cannot convert object to primitive value');
    },
  };
  hear(supervisor(), event('WATCHDOG', { action: { toString: 1 } }), broken);
  expect(written.at(-1)).toMatchObject({ err: { name: 'TypeError' } });
  expect(told).toEqual([]);
});
