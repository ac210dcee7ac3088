/**
 * Connections to sockets below directories that a hypervisor's user owns. A link of its making could lead to a socket that
 * only we may use: so what is connected to is the very file that was looked at, and a link is none.
 */
import { once } from 'node:events';
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';

/** O_PATH of asm-generic/fcntl.h, the same on every architecture: a handle on the file itself, which opens nothing. */
const pathOnly = 0o10000000;

/**
 * Connects to the socket at `path`, once. Throws what the system says (ENOENT, ECONNREFUSED), an Error where something else
 * is there, or AbortError.
 */
export async function connectTo(path: string, signal?: AbortSignal): Promise<Socket> {
  const fd = openSync(path, pathOnly | constants.O_NOFOLLOW);
  try {
    if (!fstatSync(fd).isSocket()) throw new Error(`${path} is no socket`);
    return await connected(createConnection(`/proc/self/fd/${fd}`), signal);
  } finally {
    // At once: what the other end says first, or its end, must find who listens.
    closeSync(fd);
  }
}

async function connected(socket: Socket, signal: AbortSignal | undefined): Promise<Socket> {
  try {
    await once(socket, 'connect', { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}
