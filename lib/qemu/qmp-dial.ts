/**
 * The unix socket to a hypervisor that may not listen yet. Owns the retries: a control socket serves one client, so a
 * stray second connection would take the only place, and nothing is retried once a connection stands.
 */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../errors.ts';
import { connectTo } from './own-socket.ts';
import { QmpError } from './qmp-error.ts';

/** A hypervisor that is going to listen does so within some tens of milliseconds, which the next guest waits for. */
const shortPauseMs = 2;
const youngMs = 200;
const laterPauseMs = 25;
/** What fits into sun_path. Node 20 connects to the first so many bytes of a longer path: to another socket. */
const longestPathBytes = 107;

/** Connects to `path`, trying again while nobody listens there. Throws what `signal` was aborted with. */
export async function dial(path: string, signal: AbortSignal): Promise<Socket> {
  if (Buffer.byteLength(path) > longestPathBytes) {
    throw new QmpError('connect', 'closed', `the socket's path is longer than ${longestPathBytes} bytes`);
  }
  const startedMs = performance.now();
  for (;;) {
    signal.throwIfAborted();
    try {
      return await connectTo(path, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!isErrno(error, 'ENOENT', 'ECONNREFUSED', 'EAGAIN')) {
        throw new QmpError('connect', 'closed', 'cannot connect', { cause: error });
      }
    }
    const pauseMs = performance.now() - startedMs < youngMs ? shortPauseMs : laterPauseMs;
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}
