/**
 * `GET /v1/events`: the log of events as server-sent events. Nothing is kept for a client: one that reads slowly is read
 * for from the log at its own pace, and told of a gap when the log has moved on. One that reads nothing at all is cut off; it
 * comes again with the number of its last event, and has lost none.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { DomainEvent, EventGap } from '../client/contract.ts';
import { DomctlError } from '../errors.ts';
import type { EventLog, Position } from './events.ts';
import type { Fleet } from './fleet.ts';
import type { Services } from './supervisor.ts';

/** Often enough that nothing between takes the connection for dead. */
const heartbeatMs = 15_000;

/** A reader that takes nothing of what was sent for so long is none. */
const patienceMs = 20_000;

const wholeNumber = z.coerce.number().pipe(z.int().nonnegative());

/** The query, and the header by which a client goes on where it was. */
const eventsRequest = z.object({
  domain: z.string().optional(),
  event: z
    .union([z.string(), z.array(z.string())])
    .transform((value) => [value].flat())
    .optional(),
  since: wholeNumber.optional(),
  sinceMs: wholeNumber.optional(),
  follow: z.enum(['true', 'false']).default('true'),
  lastEventId: wholeNumber.optional(),
});
type EventsRequest = z.infer<typeof eventsRequest>;

interface Surroundings {
  readonly fleet: Fleet;
  readonly services: Services;
  /** Resolves when it is the turn of who asks; it ends with the answer. */
  takeTurn(request: FastifyRequest, reply: FastifyReply): Promise<void>;
}

/** Adds the route. Throws NO_SUCH_DOMAIN when those to come are asked for of a domain that is not there. */
export function addEventStream(app: FastifyInstance, { fleet, services, takeTurn }: Surroundings): void {
  app.get('/events', async (request, reply) => {
    const lastEventId = request.headers['last-event-id'];
    const asked = check({ ...(request.query as object), ...(lastEventId === undefined ? {} : { lastEventId }) });
    const afterId = asked.lastEventId ?? asked.since ?? null;
    const sinceMs = afterId === null ? (asked.sinceMs ?? null) : null;
    if (asked.domain !== undefined && afterId === null && sinceMs === null) fleet.locate(asked.domain);
    const follow = asked.follow === 'true';
    // Who stays waits for nobody, and keeps nobody waiting.
    if (!follow) await takeTurn(request, reply);
    await stream(services, { afterId, sinceMs, follow, matches: filter(asked) }, reply);
  });
}

function check(value: object): EventsRequest {
  const result = eventsRequest.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new DomctlError('USAGE', `request: ${issue?.path.join('.') ?? 'query'}: ${issue?.message ?? 'not valid'}`);
}

/** An undefined domain's events are found too: by what they were about, not by what is there now. */
function filter({ domain, event: names }: EventsRequest): (event: DomainEvent) => boolean {
  const reference = domain?.toLowerCase();
  return (event) =>
    (names === undefined || names.includes(event.event)) &&
    (domain === undefined ||
      event.domain === domain ||
      event.uuid === reference ||
      String(event.incarnation) === reference);
}

type What = Omit<Parameters<EventLog['subscribe']>[0], 'idleMs' | 'signal'>;

async function stream({ events, log }: Services, what: What, reply: FastifyReply): Promise<void> {
  const { raw } = reply.hijack();
  const gone = new AbortController();
  raw.once('close', () => gone.abort(left));
  raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  try {
    for await (const item of events.subscribe({ ...what, idleMs: heartbeatMs, signal: gone.signal })) {
      if (!raw.write(frame(item))) await taken(raw, gone.signal);
    }
  } catch (error) {
    // Its headers are out: to end without a word is all that is left, and the client comes again.
    if (error instanceof SlowReader) raw.destroy();
    else if (!gone.signal.aborted) log.error({ err: error }, 'event stream');
  } finally {
    raw.end();
  }
}

class SlowReader extends Error {}

/** One for all: to make an exception of its own for each costs more than to tell a short history. */
const left = new Error('the reader is gone');

/** Resolves when the reader has taken what was written. Throws SlowReader where it does not. */
async function taken(raw: ServerResponse, gone: AbortSignal): Promise<void> {
  const end = new AbortController();
  const leave = (): void => end.abort(left);
  const timer = setTimeout(() => end.abort(new SlowReader('nothing was read')), patienceMs);
  gone.addEventListener('abort', leave);
  try {
    await once(raw, 'drain', { signal: end.signal });
  } catch (error) {
    throw end.signal.aborted ? end.signal.reason : error;
  } finally {
    clearTimeout(timer);
    gone.removeEventListener('abort', leave);
  }
}

/** One server-sent event; a position is a comment with a number, which a client keeps as its last. */
export function frame(item: DomainEvent | EventGap | Position): string {
  if (item.event === 'position') return `: nothing new\nid: ${item.id}\n\n`;
  const id = 'id' in item ? item.id : item.nextId - 1;
  return `id: ${id}\nevent: ${item.event}\ndata: ${JSON.stringify(item)}\n\n`;
}
