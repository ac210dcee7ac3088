/**
 * `POST /v1/domains/:domain/console` with `Upgrade: domctl-console`: the connection becomes the guest's console, raw bytes
 * both ways. One session a console; another one must take it over by force. Owns sessions; must not know domains.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { errorEnvelope } from '../client/envelope.ts';
import { apiVersion } from '../client/contract.ts';
import { asDomctlError, DomctlError } from '../errors.ts';
import type { Log } from '../log.ts';
import { rawAnswer } from './raw-answer.ts';

/** A console that was found, not yet connected to. */
export interface FoundConsole {
  /** The same for every way to ask for the same console. */
  readonly key: string;
  readonly domain: string;
  readonly incarnation: number;
  open(): Promise<Socket>;
  /** Resolves when the guest has ended, or its end has been waited for. */
  ended(): Promise<void>;
}

type Find = (domain: string, devname: string | undefined) => Promise<FoundConsole>;
/** Throws POLICY_FORBIDS for who may not type into a guest. */
type Authorize = (request: IncomingMessage) => Promise<void>;

const protocol = 'domctl-console';
const route = new RegExp(`^/${apiVersion}/domains/([^/]+)/console$`);
const query = z.strictObject({ devname: z.string().optional(), force: z.enum(['true', 'false']).default('false') });

export class Consoles {
  readonly #sessions = new Map<string, Session>();
  readonly #authorize: Authorize;
  readonly #find: Find;
  readonly #log: Pick<Log, 'info'>;

  constructor(parts: { authorize: Authorize; find: Find; log: Pick<Log, 'info'> }) {
    this.#authorize = parts.authorize;
    this.#find = parts.find;
    this.#log = parts.log;
  }

  /** Answers the server's upgrades from now on. */
  serve(server: Server): void {
    server.on('upgrade', (request: IncomingMessage, caller: Duplex, head: Buffer) => {
      caller.on('error', () => undefined); // its close follows
      this.#begin(request, caller, head).catch((error: unknown) => refuse(caller, error));
    });
  }

  /** Ends every session; guests go on. */
  close(): void {
    for (const session of this.#sessions.values()) session.end();
  }

  async #begin(request: IncomingMessage, caller: Duplex, head: Buffer): Promise<void> {
    const { domain, devname, force } = understand(request);
    // Upgrades pass by the hooks that ask for every other request's role.
    await this.#authorize(request);
    const found = await this.#find(domain, devname);
    const session = this.#admit(found, force);
    try {
      await session.run(caller, head);
    } finally {
      if (this.#sessions.get(found.key) === session) this.#sessions.delete(found.key);
      this.#log.info({ domain: found.domain, incarnation: found.incarnation }, 'console closed');
    }
  }

  /** Admits one session a console. Throws WRONG_STATE when there is one, unless it is to be ended. */
  #admit(found: FoundConsole, force: boolean): Session {
    const present = this.#sessions.get(found.key);
    if (present && !force)
      throw new DomctlError('WRONG_STATE', `somebody is connected to that console of domain '${found.domain}'`, {
        hint: '--force takes it over',
      });
    present?.end();
    const session = new Session(found);
    this.#sessions.set(found.key, session);
    this.#log.info({ domain: found.domain, incarnation: found.incarnation, force }, 'console opened');
    return session;
  }
}

/** Throws USAGE where it is no console that is asked for. */
function understand(request: IncomingMessage): { domain: string; devname: string | undefined; force: boolean } {
  const { pathname, searchParams } = new URL(String(request.url), 'http://domctl');
  const domain = route.exec(pathname)?.[1];
  if (domain === undefined || request.method !== 'POST' || request.headers.upgrade !== protocol)
    throw new DomctlError('USAGE', `no such upgrade: ${pathname}`, { hint: `POST, with Upgrade: ${protocol}` });
  const asked = query.safeParse(Object.fromEntries(searchParams));
  if (!asked.success) throw new DomctlError('USAGE', `request: ${asked.error.issues[0]?.message ?? 'not valid'}`);
  return { domain: decodeURIComponent(domain), devname: asked.data.devname, force: asked.data.force === 'true' };
}

/** The envelope, as any other route answers. */
function refuse(caller: Duplex, error: unknown): void {
  caller.end(rawAnswer(asDomctlError(error).http, errorEnvelope(error)));
}

/** One caller at one console. */
class Session {
  readonly #found: FoundConsole;
  readonly #ending = new AbortController();

  constructor(found: FoundConsole) {
    this.#found = found;
  }

  /** Ends it from here. */
  end(): void {
    this.#ending.abort();
  }

  /** Connects and carries bytes until either side or `end` ends it. Throws before anything was carried. */
  async run(caller: Duplex, head: Buffer): Promise<void> {
    const guest = await this.#found.open();
    const { signal } = this.#ending;
    try {
      caller.write(acceptance(this.#found));
      if (head.length > 0) caller.unshift(head);
      const who = await carry(caller, guest, signal);
      if (who === 'guest') await this.#found.ended();
    } finally {
      guest.destroy();
      caller.end();
      if (signal.aborted) caller.destroy();
    }
  }
}

function acceptance({ domain, incarnation }: FoundConsole): string {
  const headers = {
    Connection: 'Upgrade',
    Upgrade: protocol,
    'Domctl-Domain': encodeURIComponent(domain),
    'Domctl-Incarnation': incarnation,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 101 Switching Protocols\r\n${lines.join('')}\r\n`;
}

/** Bytes both ways, each side read only as fast as the other takes them; resolves with who ended it. */
async function carry(caller: Duplex, guest: Socket, signal: AbortSignal): Promise<'caller' | 'guest' | 'us'> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve('us'));
    if (signal.aborted) resolve('us');
    // A pty whose hypervisor is gone says EIO: its close follows.
    guest.on('error', () => undefined);
    guest.once('close', () => resolve('guest'));
    guest.once('end', () => resolve('guest'));
    caller.once('close', () => resolve('caller'));
    // What it typed before it left is still typed.
    caller.once('end', () => guest.end(() => resolve('caller')));
    guest.pipe(caller, { end: false });
    caller.pipe(guest, { end: false });
  });
}
