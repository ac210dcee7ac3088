/** Page cache in our own name: who touches a page of a file first is charged for it, and pays for its return. */
import { createReadStream } from 'node:fs';

const chunkBytes = 2 ** 20;

/**
 * Reads a program from end to end. What a hypervisor under a brake runs must not be its own: over memory.high that would be
 * dropped first, and each page of it waited for by the thread that answers the monitor.
 */
export async function preRead(path: string): Promise<void> {
  for await (const _chunk of createReadStream(path, { highWaterMark: chunkBytes }));
}
