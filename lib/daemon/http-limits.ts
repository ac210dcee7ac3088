/** What a caller may take of the daemon before it is answered, and what is said to one who takes more. */
import type { Duplex } from 'node:stream';
import { errorEnvelope } from '../client/envelope.ts';
import { DomctlError } from '../errors.ts';
import { rawAnswer } from './raw-answer.ts';

/** Milliseconds from a connection's, or a request's, beginning: until its head is there, and until all of it is. */
export const httpLimits = {
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  connectionsCheckingInterval: 1000,
} as const;

/** Room for a definition of the XML reader's own limit, so that its error is the one seen. */
export const bodyLimitBytes = 16 * 1024 * 1024;

const answers: Readonly<Record<string, readonly [status: number, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [
    408,
    `the request did not come in time: ${httpLimits.headersTimeout / 1000} s for its head, ${httpLimits.requestTimeout / 1000} s in all`,
  ],
  HPE_HEADER_OVERFLOW: [431, 'the head of the request is longer than 16 KiB'],
};

/** To what is no HTTP, comes too late or is too long: the envelope, and the end of the connection. */
export function answerBrokenRequest(error: Error, socket: Duplex): void {
  const code = 'code' in error ? String(error.code) : '';
  socket.on('error', () => undefined); // its close follows
  if (code !== 'ECONNRESET' && socket.writable) {
    const [status, message] = answers[code] ?? [400, 'the request is not HTTP'];
    // Small enough for the socket's buffer: it is out before the connection ends.
    socket.write(rawAnswer(status, errorEnvelope(new DomctlError('USAGE', message))));
  }
  socket.destroy();
}
