/**
 * What a service manager is told, by sd_notify(3): ready, what the daemon does, stopping, and that it is not stuck.
 * Without one every call does nothing. A manager that does not listen is no reason to fail: it is logged.
 */
import { sdNotify } from '../../native/index.ts';
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';

const variables = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const;

export class ServiceManager {
  readonly #socket: string | null;
  readonly #watchdogMs: number | null;
  readonly #log: Log;
  #watchdog: NodeJS.Timeout | null = null;
  #status = '';

  /** Takes its address from the environment, and removes it there: no child may speak for this process. */
  constructor(log: Log, env: NodeJS.ProcessEnv = process.env, pid: number = process.pid) {
    this.#log = log;
    this.#socket = env['NOTIFY_SOCKET'] || null;
    this.#watchdogMs = watchdogMs(env, pid);
    for (const name of variables) Reflect.deleteProperty(env, name);
  }

  /** Requests are answered from now on. Starts the watchdog's beat, where one is asked for: it beats while the loop turns. */
  ready(status: string): void {
    this.#send(`READY=1\nMAINPID=${process.pid}`);
    this.status(status);
    if (this.#watchdogMs === null) return;
    this.#watchdog = setInterval(() => this.#send('WATCHDOG=1'), this.#watchdogMs / 2);
    this.#watchdog.unref();
  }

  /** One line for `systemctl status`; said once when it does not change. */
  status(line: string): void {
    if (line === this.#status) return;
    this.#status = line;
    this.#send(`STATUS=${line}`);
  }

  stopping(): void {
    if (this.#watchdog) clearInterval(this.#watchdog);
    this.#send('STOPPING=1');
  }

  #send(text: string): void {
    if (this.#socket === null) return;
    try {
      sdNotify(this.#socket, text);
    } catch (error) {
      this.#log.warn({ socket: this.#socket }, `service manager not told: ${messageOf(error)}`);
    }
  }
}

/** How long the manager waits for a beat; null: it does not, or not for this process. */
function watchdogMs(env: NodeJS.ProcessEnv, pid: number): number | null {
  const { WATCHDOG_USEC: usec, WATCHDOG_PID: addressee = String(pid) } = env;
  const ms = Number(usec) / 1000;
  return addressee === String(pid) && ms > 0 ? ms : null;
}
