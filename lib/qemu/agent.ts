/**
 * A client of the guest agent, through its channel's socket. What the other end sends is not trusted: it comes from
 * inside the guest, which may be hostile, or hold answers to a client before this one.
 *
 *   connect ──> 0xFF guest-sync-delimited ──> 0xFF {"return": id} ──> in step ──> commands, one at a time
 */
import { randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { z } from 'zod';
import { withinLimit } from './limit.ts';
import { connectTo } from './own-socket.ts';
import { LineReader, parseLine } from './qmp-messages.ts';

/** absent: nobody answers; refused: the agent answered with an error; protocol: what answers is no agent. */
export type AgentErrorKind = 'absent' | 'refused' | 'protocol';

/** A command to the guest agent, or the way to it, that failed. */
export class AgentError extends Error {
  readonly kind: AgentErrorKind;

  constructor(kind: AgentErrorKind, message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'AgentError';
    this.kind = kind;
  }
}

const answerSchema = z.union([
  z.object({ return: z.unknown() }).transform((answer) => ({ error: null, value: answer.return })),
  z.object({ error: z.object({ desc: z.string() }) }).transform(({ error }) => ({ error: error.desc, value: null })),
]);
type Answer = z.output<typeof answerSchema>;

interface Waiting {
  isOurs(answer: Answer): boolean;
  resolve(answer: Answer): void;
  reject(error: AgentError): void;
}

/** Never part of valid UTF-8: the agent forgets a half-read request at it, and we what was sent before it. */
const delimiter = 0xff;

/** A guest agent that has answered. Its channel serves one client: close it soon. */
export class GuestAgent {
  readonly #socket: Socket;
  readonly #deadlineMs: number;
  readonly #lines = new LineReader();
  #inStep = false;
  #waiting: Waiting | null = null;
  #ended: AgentError | null = null;

  /**
   * Connects and waits for the agent to answer, all within `deadlineMs`, which each command has again. Rejects with
   * AgentError, or with the reason of `signal`.
   */
  static async connect(
    path: string,
    { deadlineMs, signal }: { readonly deadlineMs: number; readonly signal?: AbortSignal },
  ): Promise<GuestAgent> {
    return withinLimit({ deadlineMs, signal }, async (limit) => {
      const agent = new GuestAgent(await reach(path, limit, signal), deadlineMs);
      const abandon = (): void => agent.#end(new AgentError('absent', 'the guest agent was not waited for'));
      limit.addEventListener('abort', abandon, { once: true });
      try {
        await agent.#synchronise();
        return agent;
      } catch (error) {
        agent.close();
        signal?.throwIfAborted();
        throw error;
      } finally {
        limit.removeEventListener('abort', abandon);
      }
    });
  }

  private constructor(socket: Socket, deadlineMs: number) {
    this.#socket = socket;
    this.#deadlineMs = deadlineMs;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (cause) => this.#end(new AgentError('absent', 'the way to the guest agent broke', { cause })));
    socket.on('close', () => this.#end(new AgentError('absent', 'the way to the guest agent ended')));
  }

  /** Resolves when the agent has answered. */
  async ping(): Promise<void> {
    await this.#ask('guest-ping', undefined, () => true);
  }

  /**
   * Asks the guest to power off or reboot. The agent never answers this when it succeeds, so a question follows it:
   * that one answered first, silence, or the connection lost means that the guest goes down. Rejects with `refused`
   * otherwise.
   */
  async shutdown(mode: 'powerdown' | 'reboot'): Promise<void> {
    const id = anyId();
    this.#send('guest-shutdown', { mode });
    try {
      await this.#ask('guest-sync', { id }, ({ error, value }) => error !== null || value === id);
    } catch (error) {
      if (!(error instanceof AgentError && error.kind === 'absent')) throw error;
    }
  }

  /** Ends the connection at once. */
  close(): void {
    this.#end(new AgentError('absent', 'the connection was closed here'));
  }

  /** Answers to a client before us, and complaints about the delimiter, may come first. */
  async #synchronise(): Promise<void> {
    const id = anyId();
    this.#socket.write(Buffer.of(delimiter));
    await this.#ask('guest-sync-delimited', { id }, ({ value }) => value === id);
  }

  /** Sends a command and waits for the first answer that `isOurs`. An answer too late would be taken for another's. */
  async #ask(command: string, args: object | undefined, isOurs: (answer: Answer) => boolean): Promise<void> {
    this.#send(command, args);
    const late = new AgentError('absent', `the guest agent did not answer within ${this.#deadlineMs} ms`);
    const timer = setTimeout(() => this.#end(late), this.#deadlineMs);
    try {
      const { error } = await this.#answer(isOurs);
      if (error !== null) throw new AgentError('refused', `the guest agent refused: ${error}`);
    } finally {
      clearTimeout(timer);
    }
  }

  #send(execute: string, args: object | undefined): void {
    if (!this.#ended) this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
  }

  #answer(isOurs: (answer: Answer) => boolean): Promise<Answer> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => (this.#waiting = { isOurs, resolve, reject }));
  }

  /** What nobody waits for is dropped. */
  #offer(answer: Answer): void {
    const { isOurs, resolve } = this.#waiting ?? {};
    if (!isOurs?.(answer)) return;
    this.#waiting = null;
    resolve?.(answer);
  }

  #read(chunk: Buffer): void {
    const start = chunk.indexOf(delimiter);
    if (!this.#inStep && start < 0) return;
    const fresh = this.#inStep ? chunk : chunk.subarray(start);
    this.#inStep = true;
    try {
      for (const line of this.#lines.push(Buffer.from(fresh.filter((byte) => byte !== delimiter)))) {
        if (line !== '') this.#offer(answerSchema.parse(parseLine(line)));
      }
    } catch (cause) {
      this.#end(new AgentError('protocol', 'what answers is no guest agent', { cause }));
    }
  }

  #end(error: AgentError): void {
    if (this.#ended) return;
    this.#ended = error;
    this.#socket.destroy();
    this.#waiting?.reject(error);
  }
}

function anyId(): number {
  return randomInt(2 ** 31);
}

/** A hypervisor that runs listens: no second attempt. */
async function reach(path: string, limit: AbortSignal, signal: AbortSignal | undefined): Promise<Socket> {
  try {
    return await connectTo(path, limit);
  } catch (cause) {
    signal?.throwIfAborted();
    throw new AgentError('absent', 'nobody listens for the guest agent', { cause });
  }
}
