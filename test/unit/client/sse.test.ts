/** Server-sent events as the daemon writes them and the client reads them, however the bytes are cut. */
import { expect, test } from 'vitest';
import type { DomainEvent } from '../../../lib/client/contract.ts';
import { readEvents, type ServerSentEvent } from '../../../lib/client/sse.ts';
import { frame } from '../../../lib/daemon/event-stream.ts';

const event: DomainEvent = {
  id: 7,
  at: '2026-01-02T00:00:00.000Z',
  atMs: 1,
  event: 'lifecycle',
  domain: 'zwölf\n\ndata: x',
  uuid: 'u',
  incarnation: 3,
  text: 'Started Booted',
  data: { reason: 'a: b' },
};
const gap = { event: 'gap', afterId: 7, nextId: 12 } as const;
const text = frame({ event: 'position', id: 6 }) + frame(event) + frame(gap);

async function read(chunks: readonly Buffer[]): Promise<ServerSentEvent[]> {
  const all: ServerSentEvent[] = [];
  async function* stream(): AsyncGenerator<Buffer> {
    yield* chunks;
  }
  for await (const one of readEvents(stream())) all.push(one);
  return all;
}

test('frames are what the standard says', () => {
  expect(frame({ event: 'position', id: 6 })).toBe(': nothing new\nid: 6\n\n');
  expect(frame(gap)).toBe('id: 11\nevent: gap\ndata: {"event":"gap","afterId":7,"nextId":12}\n\n');
});

test('every cut gives the same events', async () => {
  const bytes = Buffer.from(text);
  const whole = await read([bytes]);
  expect(whole.map(({ id }) => id)).toEqual(['6', '7', '11']);
  expect(whole.map(({ data }) => (data === null ? null : (JSON.parse(data) as unknown)))).toEqual([null, event, gap]);
  for (let at = 1; at < bytes.length; at += 1)
    expect(await read([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
  expect(await read([...bytes].map((byte) => Buffer.from([byte])))).toEqual(whole);
});

test('what the end cuts off is no event', async () => {
  const bytes = Buffer.from(text);
  expect(await read([bytes.subarray(0, bytes.length - 1)])).toHaveLength(2);
});
