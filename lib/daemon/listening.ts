/**
 * The daemon's two doors: the socket for everything, which a service manager may have opened, and one beside it on which
 * anybody of the host may knock with questions, as far as host.yaml lets them.
 */
import { once } from 'node:events';
import { chmod, lstat, unlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { DomctlError, isErrno } from '../errors.ts';
import { type Places, readOnlySocketPath, socketPath } from '../places.ts';
import type { Connections } from './connections.ts';
import { answerBrokenRequest, httpLimits } from './http-limits.ts';

export interface Doors {
  readonly places: Places;
  /** The listening socket that was handed to us; its file is its maker's. null: one of our own. */
  readonly inherited: number | null;
  readonly connections: Connections;
}

/** Listens on both. Throws SOCKET_NOT_OURS where somebody else does, or a file of another kind is in the place. */
export async function listen(app: FastifyInstance, { places, inherited, connections }: Doors): Promise<void> {
  const questions = questionServer(app, connections);
  app.addHook('preClose', async () => {
    // fastify knows nothing of a descriptor that its server listens on, nor of the second server.
    questions.close();
    for (const server of [app.server, questions]) server.closeAllConnections();
  });
  await app.ready();
  if (inherited !== null) await listenOn(app.server, inherited);
  else await listenAt(app.server, socketPath(places), 0o600);
  await listenAt(questions, readOnlySocketPath(places), 0o666);
}

function questionServer(app: FastifyInstance, connections: Connections): Server {
  const server = createServer(httpLimits, (request, response) => app.routing(request, response));
  server.on('clientError', answerBrokenRequest);
  connections.watch(server, 'readonly');
  return server;
}

async function listenOn(server: Server, fd: number): Promise<void> {
  server.listen({ fd });
  await once(server, 'listening');
}

/** A socket left by a dead daemon is replaced; one that somebody listens on, or a file of another kind, is not ours to remove. */
async function listenAt(server: Server, path: string, mode: number): Promise<void> {
  const stats = await lstat(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  });
  if (stats && !stats.isSocket()) throw socketTaken(path, 'is not a socket');
  if (stats && (await isListenedOn(path))) throw socketTaken(path, 'is held by another program');
  if (stats) await unlink(path);
  const before = process.umask(0o177);
  try {
    server.listen(path);
    await once(server, 'listening');
    await chmod(path, mode);
  } finally {
    process.umask(before);
  }
}

function socketTaken(path: string, why: string): DomctlError {
  return new DomctlError('SOCKET_NOT_OURS', `${path} ${why}`, {
    hint: 'end that program, remove the file, or choose another DOMCTL_RUNTIME_DIR',
  });
}

async function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => {
      resolve(!isErrno(error, 'ECONNREFUSED', 'ENOENT'));
    });
  });
}
