/**
 * One control connection to one QEMU: negotiation, commands matched by id, events, and an end that reaches every
 * pending command. What the other end sends is not trusted: it may be broken, endless, late or silent.
 * The end of the connection is a hint that the hypervisor ends, never proof; `closed` says no more than that.
 *
 *   connect ──dial, greeting, qmp_capabilities──> up ──close(), EOF, error, not QMP──> closed
 *      └────────── deadline or signal ──────────────────────────────────────────────────┘
 */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { withinLimit } from './limit.ts';
import { dial } from './qmp-dial.ts';
import { QmpError, type QmpErrorKind } from './qmp-error.ts';
import { LineReader, type Message, type QmpEvent, parseMessage } from './qmp-messages.ts';
import { Pace } from './qmp-pace.ts';

export interface ConnectOptions {
  /** For all of it: until somebody listens, greets (QEMU does so after it allocated memory) and negotiates. */
  readonly deadlineMs: number;
  /** Gives up early, e.g. when the process has exited; `connect` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called for each event, in order, possibly before `connect` resolves. Must not throw. */
  onEvent(event: QmpEvent): void;
}

export interface ExecuteOptions {
  /** 10 s unless given. After it the command may still take effect. */
  readonly deadlineMs?: number;
  /** Overtakes commands that hang; only for the few that QEMU allows. */
  readonly outOfBand?: boolean;
}

interface Pending {
  readonly command: string;
  readonly timer: NodeJS.Timeout;
  resolve(value: unknown): void;
  reject(error: QmpError): void;
}

interface End {
  readonly kind: QmpErrorKind;
  readonly reason: string;
  readonly cause?: unknown;
}

const usualDeadlineMs = 10_000;
/** Node fires a longer timer at once. */
const longestTimerMs = 2 ** 31 - 1;

/** A client of QEMU's control socket, which serves one client at a time. */
export class QmpClient {
  /** Resolves when the connection has ended, by whichever side; never rejects. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #onEvent: (event: QmpEvent) => void;
  readonly #lines = new LineReader();
  readonly #pending = new Map<number, Pending>();
  readonly #pace = new Pace(performance.now());
  #resting: NodeJS.Timeout | undefined;
  #greeted: ((capabilities: readonly string[]) => void) | null = null;
  #lastId = 0;
  #outOfBand = false;
  #end: End | null = null;

  /**
   * Connects as soon as somebody listens at `path`, and negotiates. Rejects with QmpError of command `connect` and kind
   * `deadline`, with `closed` or `protocol` when the connection ends first, or with the reason of `signal`.
   */
  static async connect(path: string, options: ConnectOptions): Promise<QmpClient> {
    const { signal, onEvent } = options;
    const late = new QmpError('connect', 'deadline', `not ready within ${options.deadlineMs} ms`);
    const deadlineMs = Math.min(options.deadlineMs, longestTimerMs);
    return withinLimit({ deadlineMs, late, signal }, async (limit) => {
      const client = new QmpClient(await dial(path, limit), onEvent);
      await client.#negotiate(limit);
      return client;
    });
  }

  private constructor(socket: Socket, onEvent: (event: QmpEvent) => void) {
    this.#socket = socket;
    this.#onEvent = onEvent;
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('end', () => this.#finish({ kind: 'closed', reason: 'the hypervisor closed the connection' }));
    socket.on('error', (cause) => this.#finish({ kind: 'closed', reason: 'the connection broke', cause }));
    socket.on('close', () => this.#finish({ kind: 'closed', reason: 'the connection ended' }));
  }

  /** True when QEMU agreed to out-of-band commands. */
  get outOfBand(): boolean {
    return this.#outOfBand;
  }

  /** Runs one command and gives what it returned, unchecked. Rejects with QmpError. */
  execute(command: string, args?: object, options: ExecuteOptions = {}): Promise<unknown> {
    if (this.#end) return Promise.reject(failure(command, this.#end));
    if (options.outOfBand && !this.#outOfBand) {
      return Promise.reject(new QmpError(command, 'refused', 'this QEMU takes no out-of-band commands'));
    }
    const deadlineMs = Math.min(options.deadlineMs ?? usualDeadlineMs, longestTimerMs);
    return this.#send(command, { [options.outOfBand ? 'exec-oob' : 'execute']: command, arguments: args }, deadlineMs);
  }

  /** Ends the connection at once; pending commands reject. */
  close(): void {
    this.#finish({ kind: 'closed', reason: 'the connection was closed here' });
  }

  #send(command: string, request: object, deadlineMs: number): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const late = new QmpError(command, 'deadline', `no answer within ${deadlineMs} ms`);
      const timer = setTimeout(() => this.#settle(id)?.reject(late), deadlineMs);
      this.#pending.set(id, { command, timer, resolve, reject });
      this.#socket.write(`${JSON.stringify({ ...request, id })}\n`);
    });
  }

  async #negotiate(limit: AbortSignal): Promise<void> {
    const abandon = (): void => this.close();
    limit.addEventListener('abort', abandon, { once: true });
    try {
      const offered = await this.#greeting();
      const enable = offered.filter((capability) => capability === 'oob');
      await this.#send('connect', { execute: 'qmp_capabilities', arguments: { enable } }, longestTimerMs);
      this.#outOfBand = enable.length > 0;
    } catch (error) {
      this.close();
      throw limit.aborted ? limit.reason : error;
    } finally {
      limit.removeEventListener('abort', abandon);
    }
  }

  #greeting(): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      this.#greeted = resolve;
      this.#socket.once('close', () => reject(failure('connect', this.#end)));
    });
  }

  #read(chunk: Buffer): void {
    for (const { message, characters } of this.#understand(chunk)) {
      if (this.#end) return;
      if (!this.#dispatch(message)) this.#pace.spend(characters);
    }
    const restMs = this.#pace.rest(performance.now());
    if (restMs > 0 && !this.#end) this.#rest(restMs);
  }

  /** Who says too much is not heard for a while; it finds the way full. */
  #rest(ms: number): void {
    this.#socket.pause();
    this.#resting = setTimeout(() => this.#socket.resume(), ms);
  }

  *#understand(chunk: Buffer): Generator<{ message: Message; characters: number }> {
    try {
      for (const line of this.#lines.push(chunk)) {
        if (line === '') this.#pace.spend(0);
        else yield { message: parseMessage(line), characters: line.length };
      }
    } catch (cause) {
      this.#finish({ kind: 'protocol', reason: 'the other end does not speak QMP', cause });
    }
  }

  /** False for what nobody asked for. */
  #dispatch(message: Message): boolean {
    switch (message.kind) {
      case 'greeting':
        return this.#greet(message.capabilities);
      case 'event':
        this.#onEvent(message.event);
        return false;
      case 'return':
      case 'error':
        return this.#answer(message);
    }
  }

  #greet(capabilities: readonly string[]): boolean {
    const greeted = this.#greeted;
    this.#greeted = null;
    greeted?.(capabilities);
    return greeted !== null;
  }

  #answer(message: Extract<Message, { kind: 'return' | 'error' }>): boolean {
    const pending = this.#settle(message.id);
    if (message.kind === 'return') pending?.resolve(message.value);
    else pending?.reject(new QmpError(pending.command, 'refused', message.reason, { class: message.class }));
    return pending !== null;
  }

  /** Takes a command off the list; null when it is not there (any more), as with a late answer. */
  #settle(id: number): Pending | null {
    const pending = this.#pending.get(id) ?? null;
    this.#pending.delete(id);
    if (pending) clearTimeout(pending.timer);
    return pending;
  }

  #finish(end: End): void {
    if (this.#end) return;
    this.#end = end;
    clearTimeout(this.#resting);
    this.#socket.destroy();
    for (const [id, { command }] of [...this.#pending]) this.#settle(id)?.reject(failure(command, end));
  }
}

function failure(command: string, end: End | null): QmpError {
  return new QmpError(command, end?.kind ?? 'closed', end?.reason ?? 'the connection ended', { cause: end?.cause });
}
