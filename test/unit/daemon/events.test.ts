/** The log of events on a real disk: its numbers, what it keeps, and what those who listen are told. */
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DomainEvent, EventGap } from '../../../lib/client/contract.ts';
import { announceMissed, GuestBudget, Resets } from '../../../lib/daemon/announcements.ts';
import { EventLog, type Following, type LogSettings, type NewEvent } from '../../../lib/daemon/events.ts';
import type { Transition } from '../../../lib/daemon/journal-file.ts';
import { launch, states } from '../domain/samples.ts';

let directory = '';
let now = 0;
let complaints: unknown[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domctl-events-'));
  now = Date.UTC(2026, 0, 2);
  complaints = [];
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const log = { error: (what: unknown) => complaints.push(what) } as unknown as LogSettings['log'];

async function open(settings: Partial<LogSettings> = {}): Promise<EventLog> {
  return EventLog.open(directory, { clock: { now: () => now }, log, ...settings });
}

function about(domain: string): NewEvent {
  return { event: 'lifecycle', domain, uuid: 'u', incarnation: 1, text: 'Started Booted', data: {} };
}

/** What a listener is told, positions apart; without `signal` until all that is kept was told. */
async function listen(events: EventLog, asked: Partial<Following> = {}): Promise<(DomainEvent | EventGap)[]> {
  const all: (DomainEvent | EventGap)[] = [];
  for await (const one of events.subscribe({ ...history, ...asked }))
    if (one.event !== 'position') all.push(one as DomainEvent);
  return all;
}

const history: Following = {
  afterId: 0,
  sinceMs: null,
  follow: false,
  idleMs: 60_000,
  signal: new AbortController().signal,
  matches: () => true,
};

function ids(all: readonly (DomainEvent | EventGap)[]): (number | string)[] {
  return all.map((one) => ('id' in one ? one.id : `${one.afterId}..${one.nextId}`));
}

function publish(events: EventLog, ...domains: readonly string[]): void {
  for (const domain of domains) events.publish(about(domain));
}

/** Publishes one event, and waits until it is told. */
async function tell(events: EventLog, domain: string): Promise<DomainEvent> {
  const stream = events.subscribe({ ...history, afterId: null, follow: true });
  await stream.next();
  publish(events, domain);
  const { value } = await stream.next();
  await stream.return(undefined);
  return value as DomainEvent;
}

/** Opens, publishes, closes. */
async function live(settings: Partial<LogSettings>, ...domains: readonly string[]): Promise<void> {
  const events = await open(settings);
  publish(events, ...domains);
  await events.close();
}

describe('numbers', () => {
  test('grow by one, over restarts too', async () => {
    await live({}, 'a', 'b');
    await live({}, 'c');
    const events = await open();
    expect(ids(await listen(events))).toEqual([1, 2, 3]);
    expect((await listen(events))[2]).toMatchObject({ id: 3, at: '2026-01-02T00:00:00.000Z', atMs: now, domain: 'c' });
    await events.close();
  });

  test('are not used again after a torn or garbled line, nor after ones that no disk took', async () => {
    await live({}, 'a', 'b');
    appendFileSync(join(directory, 'events.jsonl'), 'garbage\n{"id":3,"at');
    await live({}, 'c');
    writeFileSync(join(directory, 'events.last'), '              41');
    await live({}, 'd');
    const events = await open();
    expect(ids(await listen(events))).toEqual([1, 2, 3, '3..42', 42]);
    await events.close();
  });
});

describe('a listener', () => {
  test('is told what it missed, then what comes, each once and in order', async () => {
    await live({}, 'a', 'b');
    const events = await open();
    const controller = new AbortController();
    const seen: (number | string)[] = [];
    const listening = (async () => {
      for await (const one of events.subscribe({ ...history, afterId: 1, follow: true, signal: controller.signal })) {
        seen.push('id' in one && one.event !== 'position' ? one.id : one.event);
        if (seen.length === 3) publish(events, 'd');
        if (seen.length === 5) controller.abort();
      }
    })();
    publish(events, 'c');
    publish(events, 'e');
    await listening;
    expect(seen).toEqual(['position', 2, 3, 4, 5]);
    await events.close();
  });

  test('that asks for what there was is told of what was published just before', async () => {
    const events = await open();
    publish(events, 'a');
    expect(ids(await listen(events))).toEqual([1]);
    await events.close();
  });

  test('without a beginning is told of what comes from now on, and of its place', async () => {
    await live({}, 'a', 'b');
    const events = await open();
    const stream = events.subscribe({ ...history, afterId: null, follow: true });
    expect(await stream.next()).toMatchObject({ value: { event: 'position', id: 2 } });
    publish(events, 'c');
    expect(await stream.next()).toMatchObject({ value: { id: 3 } });
    await stream.return(undefined);
    await events.close();
  });

  test('says its place while nothing happens', async () => {
    const events = await open();
    const stream = events.subscribe({ ...history, afterId: null, follow: true, idleMs: 1 });
    expect(await stream.next()).toMatchObject({ value: { event: 'position', id: 0 } });
    expect(await stream.next()).toMatchObject({ value: { event: 'position', id: 0 } });
    await stream.return(undefined);
    await events.close();
  });

  test('may filter, and ask by time', async () => {
    await live({}, 'a');
    now += 1000;
    await live({}, 'b', 'a');
    const events = await open();
    expect(ids(await listen(events, { matches: ({ domain }) => domain === 'a' }))).toEqual([1, 3]);
    expect(ids(await listen(events, { afterId: null, sinceMs: now - 500 }))).toEqual([2, 3]);
    await events.close();
  });

  test('of a number that was never given out is told so, and goes on here', async () => {
    await live({}, 'a');
    const events = await open();
    expect(ids(await listen(events, { afterId: 4711 }))).toEqual(['4711..2']);
    await events.close();
  });

  test('that is far behind is told from disk, and of the gap where that ends', async () => {
    const small = { fileBytes: 2000, tail: 4 };
    const events = await open(small);
    const slow = events.subscribe({ ...history, follow: true, afterId: 0 });
    await slow.next();
    for (let n = 0; n < 100; n += 1) await tell(events, 'a');
    const kept = await listen(events);
    expect(kept[0]).toMatchObject({ event: 'gap', afterId: 0 });
    expect(ids(kept.slice(1))).toEqual(ids(kept.slice(1)).map((_, index) => 100 - (kept.length - 2) + index));
    expect(kept.length).toBeGreaterThan(8);
    expect((await slow.next()).value).toEqual(kept[0]);
    await slow.return(undefined);
    const sizes = readdirSync(directory).map((name) => statSync(join(directory, name)).size);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(2000);
    expect(sizes).toHaveLength(2);
    await events.close();
  });
});

test('a disk that takes nothing is complained of, and keeps nobody from being told', async () => {
  const events = await open({ fileBytes: 1 });
  await tell(events, 'a');
  rmSync(directory, { recursive: true });
  expect(await tell(events, 'b')).toMatchObject({ id: 2, domain: 'b' });
  expect(complaints).toHaveLength(1);
  await events.close();
});

test('what no disk took is written with the next ones, and told once', async () => {
  const current = join(directory, 'events.jsonl');
  const aside = join(directory, 'aside');
  const events = await open({ fileBytes: 200 });
  await tell(events, 'a');
  // The rotation that is due cannot rename what is not there.
  renameSync(current, aside);
  expect(await tell(events, 'b')).toMatchObject({ id: 2 });
  expect(complaints).toHaveLength(1);
  renameSync(aside, current);
  expect(await tell(events, 'c')).toMatchObject({ id: 3 });
  await events.close();
  const last = await open();
  expect(ids(await listen(last))).toEqual([1, 2, 3]);
  await last.close();
});

describe('what the journal has and no event told, since the daemon was killed in between', () => {
  const running = { seq: 2, atMs: 1000, launch, before: states['launching, born'], after: states.running };
  const ended = { seq: 5, atMs: 2000, launch, before: states.draining, after: states.released };

  /** A daemon's life that begins with those transitions; tells what is kept at its end. */
  async function begin(...transitions: readonly Transition[]): Promise<string[]> {
    const events = await open();
    announceMissed(events, transitions);
    await events.close();
    const next = await open();
    const told = (await listen(next)) as DomainEvent[];
    await next.close();
    return told.map(({ atMs, event, text }) => `${atMs} ${event} ${text}`.trim());
  }

  const start = ['1000 lifecycle Started Booted', '1000 lifecycle Resumed Unpaused'];
  const end = ['2000 released', '2000 lifecycle Stopped Destroyed'];

  test('is told by the next one, once, as of when it happened', async () => {
    expect(await begin(running)).toEqual(start);
    expect(await begin(running)).toEqual(start);
    expect(await begin(running, ended)).toEqual([...start, ...end]);
  });

  test('is told from the very event on that is missing', async () => {
    await begin(running, ended);
    const file = join(directory, 'events.jsonl');
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    writeFileSync(file, `${lines.slice(0, -1).join('\n')}\n${lines.at(-1)!.slice(0, 30)}`);
    expect(await begin(running, ended)).toEqual([...start, ...end]);
  });

  test('goes on from what a living daemon told, whatever else it told after that', async () => {
    const events = await open();
    events.publishMarked(about('a'), { seq: 2, parts: 2 });
    publish(events, 'b');
    await events.close();
    expect((await begin(running, ended)).slice(2)).toEqual(end);
  });

  test('is not guessed at by a log from before there were marks', async () => {
    const line = { id: 1, at: '', atMs: 1, ...about('a') };
    writeFileSync(join(directory, 'events.jsonl'), `${JSON.stringify(line)}\n`);
    expect(await begin(running)).toHaveLength(1);
  });
});

test('a guest that does the same in a loop is told of at its rate, with the number that was left out', () => {
  const budget = new GuestBudget(0);
  const told = Array.from({ length: 100 }, () => budget.spend(0));
  expect(told.filter((one) => one === 0)).toHaveLength(60);
  expect(told.slice(60)).toEqual(Array.from({ length: 40 }, () => null));
  expect(budget.spend(1000)).toBe(40);
  expect(budget.spend(1000)).toBeNull();
});

test('one reboot is told once, however often the machine is reset on the way', () => {
  const resets = new Resets();
  expect([0, 90, 1999, 2000, 2100, 9000].map((atMs) => resets.isNew(atMs))).toEqual([
    ...[true, false, false],
    ...[true, false, true],
  ]);
  // A clock that was set back is no reason to be silent.
  expect(resets.isNew(1000)).toBe(true);
});
