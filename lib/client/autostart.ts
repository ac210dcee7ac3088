/** A client on a running daemon: started on first use, and told why when it cannot start. */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { DomctlError, type ErrorCode, isErrno, isErrorCode } from '../errors.ts';
import { packageDir, type Places, placesEnvironment, readOnlySocketPath, socketPath } from '../places.ts';
import { Client } from './client.ts';
import type { ErrorEnvelope } from './contract.ts';
import { isDaemonAlive, isManagedBySystemd, startService } from './systemd.ts';

/** Recovery of many incarnations takes its time, but not this much. */
const startDeadlineMs = 60_000;
/** For the owner of the state directory to listen, or to be gone. */
const otherDeadlineMs = 30_000;
const lookAgainMs = 25;
/** Meanwhile another daemon of ours would only be in its way. */
const tryAgainMs = 250;

/**
 * A client whose daemon answers; starts the daemon where none listens, through systemd where it runs. Several clients may do so at the same time, and one
 * may be stopping: whoever finds the state directory owned looks again. Throws what kept ours from starting.
 */
export async function connectOrStart(places: Places): Promise<Client> {
  // What systemd cannot start is started as anywhere else, and says what is wrong.
  if (isAsleep(places)) await startService();
  const deadlineMs = performance.now() + otherDeadlineMs;
  for (let lookUntilMs = 0; ; lookUntilMs = performance.now() + tryAgainMs) {
    const running = await lookFor(places, lookUntilMs);
    if (running) return running;
    try {
      await startDaemon(places);
      return new Client(socketPath(places));
    } catch (error) {
      const owned = error instanceof DomctlError && 'stateDir' in error.details;
      if (!owned || performance.now() > deadlineMs) throw error;
    }
  }
}

/** A daemon that listens there now or before `untilMs`, or null. */
async function lookFor(places: Places, untilMs: number): Promise<Client | null> {
  for (;;) {
    const running = await connectRunning(places);
    if (running || performance.now() >= untilMs) return running;
    await sleep(lookAgainMs);
  }
}

/** systemd may listen for it, but it does not run: to connect would start it. */
function isAsleep(places: Places): boolean {
  return isManagedBySystemd(places) && !isDaemonAlive(places);
}

/** A client of the daemon that listens there now, or null. Who may not use its socket asks through the one for questions. */
export async function connectRunning(places: Places): Promise<Client | null> {
  if (isAsleep(places)) return null;
  try {
    return await greeted(socketPath(places));
  } catch (error) {
    if (!(error instanceof DomctlError)) throw error;
    // One that is just dying takes a connection and answers nothing.
    if (error.code === 'DAEMON_UNREACHABLE' || error.code === 'DAEMON_LOST') return null;
    const questions = readOnlySocketPath(places);
    if (isErrno(error.cause, 'EACCES', 'EPERM') && existsSync(questions)) return greeted(questions);
    throw error;
  }
}

async function greeted(path: string): Promise<Client> {
  const client = new Client(path);
  await client.version();
  return client;
}

/** Starts domctld in a session of its own, with its log as output, and waits until it is ready. */
async function startDaemon(places: Places): Promise<void> {
  mkdirSync(places.logDir, { recursive: true, mode: 0o755 });
  const log = openSync(join(places.logDir, 'domctld.log'), 'a', 0o640);
  try {
    const daemon = spawn(process.execPath, [join(packageDir(), 'dist/domctld.cjs')], {
      cwd: '/',
      detached: true,
      // What a service manager gave this process is not the daemon's.
      env: { ...daemonEnvironment(places), DOMCTL_STARTER: 'yes', NOTIFY_SOCKET: undefined, WATCHDOG_USEC: undefined },
      stdio: ['ignore', log, log, 'pipe'],
    });
    const line = await firstLine(daemon.stdio[3] as Readable);
    daemon.unref();
    if (line !== 'ready') throw startError(line, places);
  } finally {
    closeSync(log);
  }
}

/**
 * The environment domctld runs in. Node's pool has four threads unless told otherwise: as many slow removals or hung disks
 * would keep the journal from being written.
 */
export function daemonEnvironment(places: Places): Record<string, string | undefined> {
  return { ...process.env, ...placesEnvironment(places), UV_THREADPOOL_SIZE: '64' };
}

/** What the daemon says on descriptor 3, or null when it ends or stays silent. */
async function firstLine(stream: Readable): Promise<string | null> {
  return new Promise((resolve) => {
    let text = '';
    const finish = (line: string | null): void => {
      clearTimeout(timer);
      stream.destroy();
      resolve(line);
    };
    const timer = setTimeout(() => {
      finish(null);
    }, startDeadlineMs);
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (text.includes('\n')) finish(text.slice(0, text.indexOf('\n')));
    });
    stream.once('close', () => {
      finish(null);
    });
  });
}

function startError(line: string | null, places: Places): DomctlError {
  const log = join(places.logDir, 'domctld.log');
  if (line === null)
    return new DomctlError('DAEMON_UNREACHABLE', 'the daemon did not start', { hint: `its log: ${log}` });
  const { error } = JSON.parse(line) as ErrorEnvelope;
  const code: ErrorCode = isErrorCode(error.code) ? error.code : 'FAILED';
  return new DomctlError(code, error.message, { hint: error.hint ?? undefined, details: error.details });
}
