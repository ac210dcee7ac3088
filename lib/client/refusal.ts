/** The daemon's answer where a stream was asked for and refused. */
import type { IncomingMessage } from 'node:http';
import { asFailure, notOurs } from './client.ts';

/** Resolves with the failure that the answer is. */
export async function readRefusal(response: IncomingMessage, socketPath: string): Promise<Error> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  try {
    const failure = asFailure(JSON.parse(Buffer.concat(chunks).toString('utf8')));
    if (failure) return failure;
  } catch {
    // Not even JSON: said below.
  }
  return notOurs(socketPath, 'another program answers there');
}
