/** Callers that behave badly, and one that does not: each takes what it can get of a daemon. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { Storm, StormOrder } from './storm.ts';

/** A connection on which something was begun. */
export interface Caller {
  readonly socket: Socket;
  /** What was answered, once the daemon has ended the connection, and after how long. */
  readonly ended: Promise<{ readonly said: string; readonly afterMs: number }>;
}

/** Connects and says `text`, and no more. */
export async function beginAndStop(socketPath: string, text: string): Promise<Caller> {
  const socket = connect(socketPath);
  const began = performance.now();
  let said = '';
  socket.on('data', (chunk: Buffer) => (said += chunk.toString()));
  socket.on('error', () => undefined); // its close follows
  const ended = once(socket, 'close').then(() => ({ said, afterMs: performance.now() - began }));
  await once(socket, 'connect');
  socket.write(text);
  return { socket, ended };
}

/** A head that never ends, a body that never comes, and nothing at all. */
export const halfOpen = {
  head: 'GET /v1/domains HTTP/1.1\r\nhost: x\r\nx-never',
  body: 'POST /v1/domains HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"file"',
  nothing: '',
} as const;

/** Asks for events, as `query` says, and reads none until somebody does from what it resolves with. */
export async function askForEvents(socketPath: string, query: string, lastId?: string): Promise<IncomingMessage> {
  const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
  const sent = request({ socketPath, path: `/v1/events?${query}`, headers, agent: false });
  sent.on('error', () => undefined); // said by the answer's end
  sent.end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.on('error', () => undefined);
  return response;
}

/** A definition with a text of so many bytes in it. */
export function longDefinition(name: string, bytes: number): string {
  const about = `<description>${'y'.repeat(bytes)}</description>`;
  return `<domain type='qemu'><name>${name}</name>${about}<memory>65536</memory><os><type arch='x86_64'>hvm</type></os></domain>`;
}

/** Sends a body; resolves with the status of the answer. */
export async function post(socketPath: string, path: string, body: object): Promise<number> {
  const text = JSON.stringify(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, method: 'POST', headers, agent: false }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    sent.once('error', reject);
    sent.end(text);
  });
}

/** The storm, in a process of its own. */
export async function startStorm(order: StormOrder): Promise<Storm> {
  const [loader, program] = ['../../setup/typescript.mjs', './storm.ts'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const child = spawn(process.execPath, ['--import', loader!, program!, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [exit] = (await once(child, 'close')) as [number | null];
  if (exit !== 0) throw new Error(`the storm ended with ${exit}`);
  return JSON.parse(said) as Storm;
}

/** Asks one question after the other, with a pause between, until told to stop; milliseconds of each. */
export function politeClient(socketPath: string, path: string, pauseMs: number): { stop(): Promise<number[]> } {
  const latencies: number[] = [];
  const over = new AbortController();
  const asking = (async () => {
    while (!over.signal.aborted) {
      const began = performance.now();
      await get(socketPath, path);
      latencies.push(performance.now() - began);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  const stop = async (): Promise<number[]> => {
    over.abort();
    await asking;
    return latencies;
  };
  return { stop };
}

async function get(socketPath: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path, agent: false }, (response) => {
      response.resume();
      response.once('end', resolve);
    });
    sent.once('error', reject);
    sent.end();
  });
}
