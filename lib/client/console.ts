/** A guest's console over the daemon's socket: a connection that becomes raw bytes both ways. */
import { type IncomingMessage, request as httpRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Client, connectionError } from './client.ts';
import { apiVersion } from './contract.ts';
import { readRefusal } from './refusal.ts';

export interface ConsoleRequest {
  /** `serial0`, `console1`; absent: the first there is. */
  readonly devname?: string | undefined;
  /** Takes it over from whoever is connected. */
  readonly force?: boolean | undefined;
}

export interface ConsoleConnection {
  readonly stream: Duplex;
  readonly domain: string;
  readonly incarnation: number;
}

/** Connects. Rejects with the daemon's refusal: WRONG_STATE when somebody is connected already, DOMAIN_NOT_RUNNING. */
export async function openConsole(
  { socketPath }: Client,
  domain: string,
  { devname, force = false }: ConsoleRequest,
): Promise<ConsoleConnection> {
  const query = new URLSearchParams({ force: String(force), ...(devname === undefined ? {} : { devname }) });
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      socketPath,
      method: 'POST',
      path: `/${apiVersion}/domains/${encodeURIComponent(domain)}/console?${query.toString()}`,
      headers: { connection: 'Upgrade', upgrade: 'domctl-console' },
      agent: false,
    });
    let connected = false;
    request.once('socket', (socket) => socket.once('connect', () => (connected = true)));
    request.once('error', (error) => reject(connectionError(error, socketPath, connected)));
    request.once('response', (response) => void readRefusal(response, socketPath).then(reject, reject));
    request.once('upgrade', ({ headers }: IncomingMessage, stream: Duplex, head: Buffer) => {
      if (head.length > 0) stream.unshift(head);
      resolve({
        stream,
        domain: decodeURIComponent(String(headers['domctl-domain'])),
        incarnation: Number(headers['domctl-incarnation']),
      });
    });
    request.end();
  });
}
