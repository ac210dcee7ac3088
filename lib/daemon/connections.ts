/**
 * Who is at the other end of each connection and by which socket it came, asked of the kernel once; and how many connections one
 * user may have, so that nobody who may only look can keep out who is to act. Must not know: routes, roles.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { peerCredentials } from '../../native/index.ts';
import { errorEnvelope } from '../client/envelope.ts';
import type { Requester } from '../domain/incarnation.ts';
import { DomctlError } from '../errors.ts';
import { rawAnswer } from './raw-answer.ts';

/** Connections in all; more are not taken. */
const mostConnections = 2048;
/** Of a user who neither is root nor runs the daemon. */
export const mostOfOneUser = 100;

/** full: everything by role. readonly: questions alone, whoever asks. */
export type Door = 'full' | 'readonly';

interface Connection {
  readonly door: Door;
  readonly requester: Requester;
}

export class Connections {
  readonly #known = new WeakMap<object, Connection>();
  readonly #counts = new Map<number, number>();

  /** Looks at every connection of the server from now on. */
  watch(server: Server, door: Door): void {
    server.maxConnections = mostConnections;
    // Before HTTP's own listener: whoever is refused is not read.
    server.prependListener('connection', (socket: Socket) => this.#take(socket, door));
  }

  requesterOf({ socket }: Pick<IncomingMessage, 'socket'>): Requester {
    return this.#known.get(socket)?.requester ?? nobodyKnown;
  }

  doorOf({ socket }: Pick<IncomingMessage, 'socket'>): Door {
    return this.#known.get(socket)?.door ?? 'readonly';
  }

  #take(socket: Socket, door: Door): void {
    const requester = peerOf(socket);
    this.#known.set(socket, { door, requester });
    const { uid } = requester;
    if (uid === null || uid === 0 || uid === process.getuid?.()) return;
    const count = (this.#counts.get(uid) ?? 0) + 1;
    this.#counts.set(uid, count);
    socket.once('close', () => this.#leave(uid));
    if (count > mostOfOneUser) refuse(socket, uid);
  }

  #leave(uid: number): void {
    const count = (this.#counts.get(uid) ?? 1) - 1;
    if (count === 0) this.#counts.delete(uid);
    else this.#counts.set(uid, count);
  }
}

const nobodyKnown: Requester = { uid: null, pid: null };

/** Who asks, as the kernel tells of the socket; whom it cannot tell of is nobody. */
function peerOf(socket: Socket): Requester {
  // Node has no public way to a socket's descriptor.
  const { _handle: handle } = socket as Socket & { _handle?: { fd?: number } };
  if (handle?.fd === undefined || handle.fd < 0) return nobodyKnown;
  try {
    const { uid, pid } = peerCredentials(handle.fd);
    return { uid, pid };
  } catch {
    return nobodyKnown;
  }
}

function refuse(socket: Socket, uid: number): void {
  const message = `uid ${uid} has ${mostOfOneUser} connections already`;
  const error = new DomctlError('DAEMON_UNREACHABLE', message, { hint: 'end some of them, and ask again' });
  socket.on('error', () => undefined); // its close follows
  socket.write(rawAnswer(error.http, errorEnvelope(error)));
  socket.destroy();
}
