/**
 * The daemon's API from the other end: one typed method a route, over HTTP on the unix socket. A question has a deadline;
 * a wait has none of its own, and a daemon that goes away meanwhile is told apart from one that was never there.
 */
import { request as httpRequest } from 'node:http';
import { lstatSync } from 'node:fs';
import { DomctlError, isErrno, isErrorCode } from '../errors.ts';
import {
  apiVersion,
  type AutostartAnswer,
  type CancelAnswer,
  type CreateRequest,
  type DefineAnswer,
  type DefineRequest,
  type DestroyRequestBody,
  type DomainInfo,
  type DomainRow,
  type DrainAnswer,
  type GuestAnswer,
  type RebootRequestBody,
  type PolicyExplanation,
  type ResourcesAnswer,
  type ShutdownRequestBody,
  type StartAnswer,
  type StartRequestBody,
  type StopAnswer,
  type UndefineAnswer,
  type VersionAnswer,
} from './contract.ts';
import type { DomainStats, NodeAnswer } from './figures.ts';
import type {
  BlockRow,
  InterfaceRow,
  MemoryAnswer,
  MemoryRequestBody,
  MonitorAnswer,
  MonitorRequestBody,
} from './hardware.ts';

type Method = 'GET' | 'POST' | 'DELETE';

const questionDeadlineMs = 30_000;
/** Whoever listens and does not even say who it is, is not domctl. */
const greetingDeadlineMs = 5000;

export class Client {
  readonly #socketPath: string;

  /** Throws SOCKET_NOT_OURS when the socket's owner is neither root nor this user. */
  constructor(socketPath: string) {
    checkOwner(socketPath);
    this.#socketPath = socketPath;
  }

  /** For the streams, which have connections of their own. */
  get socketPath(): string {
    return this.#socketPath;
  }

  async version(): Promise<VersionAnswer> {
    const answer = (await this.#send('GET', '/version', undefined, greetingDeadlineMs)) as VersionAnswer;
    if (answer.name === 'domctl') return answer;
    throw notOurs(this.#socketPath, 'another program answers there');
  }

  async list(): Promise<DomainRow[]> {
    return (await this.#ask('GET', '/domains')) as DomainRow[];
  }

  async info(domain: string): Promise<DomainInfo> {
    return (await this.#ask('GET', domainPath(domain))) as DomainInfo;
  }

  /** `securityInfo`: with what is secret in it, which takes the role control. */
  async xml(domain: string, inactive: boolean, securityInfo = false): Promise<string> {
    const query = `inactive=${inactive}&securityInfo=${securityInfo}`;
    return (await this.#ask('GET', `${domainPath(domain)}/xml?${query}`)) as string;
  }

  async resources(): Promise<ResourcesAnswer> {
    return (await this.#ask('GET', '/resources')) as ResourcesAnswer;
  }

  async drain(domain: string | null): Promise<DrainAnswer> {
    const query = domain === null ? '' : `?domain=${encodeURIComponent(domain)}`;
    return (await this.#ask('GET', `/drain${query}`)) as DrainAnswer;
  }

  async policy(domain: string): Promise<PolicyExplanation> {
    return (await this.#ask('GET', `${domainPath(domain)}/policy`)) as PolicyExplanation;
  }

  async stats(domain: string): Promise<DomainStats> {
    return (await this.#ask('GET', `${domainPath(domain)}/stats`)) as DomainStats;
  }

  async blocks(domain: string, inactive: boolean): Promise<BlockRow[]> {
    return (await this.#ask('GET', `${domainPath(domain)}/blocks?inactive=${inactive}`)) as BlockRow[];
  }

  async interfaces(domain: string, inactive: boolean): Promise<InterfaceRow[]> {
    return (await this.#ask('GET', `${domainPath(domain)}/interfaces?inactive=${inactive}`)) as InterfaceRow[];
  }

  async setMemory(domain: string, body: MemoryRequestBody): Promise<MemoryAnswer> {
    return (await this.#ask('POST', `${domainPath(domain)}/memory`, body)) as MemoryAnswer;
  }

  async monitor(domain: string, body: MonitorRequestBody): Promise<MonitorAnswer> {
    return (await this.#ask('POST', `${domainPath(domain)}/monitor`, body)) as MonitorAnswer;
  }

  async node(): Promise<NodeAnswer> {
    return (await this.#ask('GET', '/node')) as NodeAnswer;
  }

  async define(body: DefineRequest): Promise<DefineAnswer> {
    return (await this.#ask('POST', '/domains', body)) as DefineAnswer;
  }

  /** nvram null: refused while there is one. */
  async undefine(
    domain: string,
    nvram: 'keep' | 'remove' | null,
    tpm: 'keep' | 'remove' = 'remove',
  ): Promise<UndefineAnswer> {
    const query = `?tpm=${tpm}${nvram === null ? '' : `&nvram=${nvram}`}`;
    return (await this.#ask('DELETE', `${domainPath(domain)}${query}`)) as UndefineAnswer;
  }

  async create(body: CreateRequest): Promise<StartAnswer> {
    return (await this.#wait('/domains/create', body)) as StartAnswer;
  }

  async autostart(domain: string, enabled: boolean): Promise<AutostartAnswer> {
    return (await this.#ask('POST', `${domainPath(domain)}/autostart`, { enabled })) as AutostartAnswer;
  }

  async reboot(domain: string, body: RebootRequestBody): Promise<GuestAnswer> {
    return (await this.#wait(`${domainPath(domain)}/reboot`, body)) as GuestAnswer;
  }

  async guest(domain: string, verb: 'reset' | 'suspend' | 'resume' | 'recover'): Promise<GuestAnswer> {
    return (await this.#wait(`${domainPath(domain)}/${verb}`, {})) as GuestAnswer;
  }

  async start(domain: string, body: StartRequestBody): Promise<StartAnswer> {
    return (await this.#wait(`${domainPath(domain)}/start`, body)) as StartAnswer;
  }

  async cancelStart(domain: string): Promise<CancelAnswer> {
    return (await this.#ask('DELETE', `${domainPath(domain)}/start`)) as CancelAnswer;
  }

  async shutdown(domain: string, body: ShutdownRequestBody): Promise<StopAnswer> {
    return (await this.#wait(`${domainPath(domain)}/shutdown`, body)) as StopAnswer;
  }

  async destroy(domain: string, body: DestroyRequestBody): Promise<StopAnswer> {
    return (await this.#wait(`${domainPath(domain)}/destroy`, body)) as StopAnswer;
  }

  async stopDaemon(): Promise<void> {
    await this.#ask('POST', '/daemon/stop', {});
  }

  async #ask(method: Method, path: string, body?: unknown): Promise<unknown> {
    return this.#send(method, path, body, questionDeadlineMs);
  }

  async #wait(path: string, body: unknown): Promise<unknown> {
    return this.#send('POST', path, body, 0);
  }

  /** Resolves with the answer's body; rejects with the daemon's own refusal, or DAEMON_*. `deadlineMs` 0: none. */
  async #send(method: Method, path: string, body: unknown, deadlineMs: number): Promise<unknown> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const headers =
        payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
      const request = httpRequest({
        socketPath: this.#socketPath,
        method,
        path: `/${apiVersion}${path}`,
        headers,
        agent: false,
      });
      let connected = false;
      request.once('socket', (socket) => socket.once('connect', () => (connected = true)));
      request.setTimeout(deadlineMs, () => request.destroy(silent(this.#socketPath, deadlineMs)));
      request.once('error', (error) => {
        reject(connectionError(error, this.#socketPath, connected));
      });
      request.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', (error) => {
          reject(connectionError(error, this.#socketPath, true));
        });
        response.once('end', () => {
          const type = response.headers['content-type'] ?? '';
          const text = Buffer.concat(chunks).toString('utf8');
          settle({ text, type, status: response.statusCode ?? 0, path: this.#socketPath }, resolve, reject);
        });
      });
      request.end(payload);
    });
  }
}

function domainPath(domain: string): string {
  return `/domains/${encodeURIComponent(domain)}`;
}

interface Answer {
  readonly text: string;
  readonly type: string;
  readonly status: number;
  /** Of the socket it came through. */
  readonly path: string;
}

function settle(answer: Answer, resolve: (value: unknown) => void, reject: (error: Error) => void): void {
  if (answer.type.startsWith('application/xml')) {
    resolve(answer.text);
    return;
  }
  try {
    const json: unknown = JSON.parse(answer.text);
    const failure = asFailure(json);
    if (failure) reject(failure);
    else if (answer.status >= 400)
      reject(new DomctlError('FAILED', `the daemon answered with status ${answer.status}`));
    else resolve(json);
  } catch {
    reject(notOurs(answer.path, 'another program answers there'));
  }
}

/** The daemon's refusal as the error it was, or null when the answer is none. */
export function asFailure(json: unknown): DomctlError | null {
  const error = isRecord(json) && isRecord(json['error']) ? json['error'] : null;
  if (!error) return null;
  const code = String(error['code']);
  const hint = typeof error['hint'] === 'string' ? error['hint'] : undefined;
  const details = isRecord(error['details']) ? error['details'] : {};
  return new DomctlError(isErrorCode(code) ? code : 'FAILED', String(error['message']), { hint, details });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** What a failed connection means; `connected`: it had stood. */
export function connectionError(error: Error, path: string, connected: boolean): DomctlError {
  if (error instanceof DomctlError) return error;
  if (connected) {
    if ('code' in error && String(error.code).startsWith('HPE_')) return notOurs(path, 'another program answers there');
    return new DomctlError('DAEMON_LOST', 'the daemon went away before it answered', {
      hint: "what it was asked may have been done or not: 'domctl list --all' starts it again and tells",
      cause: error,
    });
  }
  if (isErrno(error, 'EACCES', 'EPERM')) {
    return new DomctlError('SOCKET_NOT_OURS', `no permission to use ${path}`, {
      hint: 'ask as the user the daemon runs as (root)',
      cause: error,
    });
  }
  return new DomctlError('DAEMON_UNREACHABLE', `cannot reach the daemon at ${path}`, { cause: error });
}

function checkOwner(path: string): void {
  let stats: ReturnType<typeof lstatSync>;
  try {
    stats = lstatSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return;
    throw connectionError(error instanceof Error ? error : new Error(String(error)), path, false);
  }
  if (!stats.isSocket()) throw notOurs(path, 'it is not a socket');
  if (stats.uid !== 0 && stats.uid !== process.getuid?.()) throw notOurs(path, `it belongs to uid ${stats.uid}`);
}

/** It may be a program that is not ours, or our daemon on a host that is very busy. */
function silent(path: string, deadlineMs: number): DomctlError {
  return new DomctlError('SOCKET_NOT_OURS', `whoever listens at ${path} says nothing for ${deadlineMs / 1000} s`, {
    hint: 'ask again if the host is busy; if it is not domctld, end that program or choose another DOMCTL_RUNTIME_DIR',
  });
}

export function notOurs(path: string, why: string): DomctlError {
  return new DomctlError('SOCKET_NOT_OURS', `${path} is not domctl's: ${why}`, {
    hint: 'end that program, remove the file, or choose another DOMCTL_RUNTIME_DIR',
  });
}
