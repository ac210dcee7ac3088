/** A server of memory and interrupts that guests share. */
import path from 'node:path';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { serve } from './contained.ts';

const program = fileURLToPath(new URL('../fixtures/programs/ivshmem-server.py', import.meta.url));
const bytes = 2 ** 20;

/** Serves one guest at `socket`, with 1 MiB; the answer ends it. */
export async function serveShared(socket: string, vectors: number): Promise<() => Promise<void>> {
  await mkdir(path.dirname(socket), { recursive: true });
  return serve(['python3', program, socket, String(bytes), String(vectors)], socket);
}
