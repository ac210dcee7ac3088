/**
 * Events as they come, over lost connections: when the daemon goes away and comes back, the stream goes on after the last
 * event that was seen, so that none is lost or doubled. Never starts a daemon: that it is gone may be somebody's decision.
 */
import { type IncomingMessage, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { DomctlError } from '../errors.ts';
import { Client, connectionError } from './client.ts';
import { apiVersion, type DomainEvent, type EventGap, type EventQuery } from './contract.ts';
import { readRefusal } from './refusal.ts';
import { readEvents } from './sse.ts';

const firstPauseMs = 50;
const longestPauseMs = 2000;

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** The connection was lost (true), or stands again (false). */
  onLost?(lost: boolean): void;
}

/**
 * Events by the query; ends where it does not follow, or when the signal aborts. Rejects with the daemon's refusal, or with
 * DAEMON_UNREACHABLE when there was none from the beginning.
 */
export async function* followEvents(
  client: Client,
  query: EventQuery,
  options: FollowOptions,
): AsyncGenerator<DomainEvent | EventGap> {
  const { signal } = options;
  const place: Place = { lastId: null };
  let stream: IncomingMessage | null = await openStream(client, query, null, signal);
  while (stream) {
    try {
      yield* read(stream, place);
    } catch (error) {
      if (!signal.aborted) endure(connectionError(error as Error, client.socketPath, true), query);
    }
    if (query.follow === false || signal.aborted) return;
    options.onLost?.(true);
    stream = await openAgain(client, query, place, signal);
    if (stream) options.onLost?.(false);
  }
}

/** Tries until somebody listens there again; null when the signal aborts first. */
async function openAgain(
  { socketPath }: Client,
  query: EventQuery,
  { lastId }: Place,
  signal: AbortSignal,
): Promise<IncomingMessage | null> {
  for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    try {
      return await openStream(new Client(socketPath), query, lastId, signal);
    } catch (error) {
      if (!isLoss(error)) throw error;
    }
  }
  return null;
}

interface Place {
  /** Up to here all was seen; null: not even told where it begins. */
  lastId: string | null;
}

async function* read(stream: IncomingMessage, place: Place): AsyncGenerator<DomainEvent | EventGap> {
  try {
    for await (const { id, data } of readEvents(stream)) {
      // Before it is handed on: whoever got it must not get it again.
      if (id !== null) place.lastId = id;
      if (data !== null) yield JSON.parse(data) as DomainEvent | EventGap;
    }
  } finally {
    stream.destroy();
  }
}

/** A history cut off is no history; what is followed goes on. */
function endure(failure: DomctlError, { follow }: EventQuery): void {
  if (follow === false || !isLoss(failure)) throw failure;
}

function isLoss(error: unknown): boolean {
  return error instanceof DomctlError && (error.code === 'DAEMON_LOST' || error.code === 'DAEMON_UNREACHABLE');
}

async function openStream(
  { socketPath }: Client,
  query: EventQuery,
  lastId: string | null,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'text/event-stream', ...(lastId === null ? {} : { 'last-event-id': lastId }) };
    const path = `/${apiVersion}/events?${queryText(query)}`;
    const request = httpRequest({ socketPath, path, headers, agent: false, signal });
    let connected = false;
    request.once('socket', (socket) => socket.once('connect', () => (connected = true)));
    request.once('error', (error) => reject(connectionError(error, socketPath, connected)));
    request.once('response', (response) => {
      if (response.headers['content-type'] === 'text/event-stream') resolve(response);
      else readRefusal(response, socketPath).then(reject, reject);
    });
    request.end();
  });
}

function queryText({ domain, events = [], since, sinceMs, follow }: EventQuery): string {
  const query = new URLSearchParams();
  if (domain !== undefined) query.set('domain', domain);
  for (const event of events) query.append('event', event);
  if (since !== undefined) query.set('since', String(since));
  if (sinceMs !== undefined) query.set('sinceMs', String(sinceMs));
  if (follow !== undefined) query.set('follow', String(follow));
  return query.toString();
}
