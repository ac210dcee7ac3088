/**
 * The wire between the host and agent.c: commands go in, what they print and how they end comes out. A frame is one byte of
 * kind, two of the command's number, four of length, little-endian, then as many bytes. Knows nothing of machines.
 */
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';

export interface Command {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Exactly one of both is null, as of Node's own children. */
export interface End {
  readonly code: number | null;
  /** Its number. */
  readonly signal: number | null;
}

export interface Run {
  readonly end: Promise<End>;
  /** To the command's process group, as a terminal would. */
  kill(signal: number): void;
}

interface Pending {
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly resolve: (end: End) => void;
  readonly reject: (error: Error) => void;
}

const headBytes = 7;

/** What the agent says it has read, at a time. */
const creditBytes = 1024;

/** Unread by the agent at most: user-mode Linux never reads a line again that was once full, and 4 KiB fill it. */
const unreadBytes = 2 * creditBytes;

export class Channel {
  /** The kernel's release, when the agent is up. */
  readonly up: Promise<string>;
  readonly #socket: Socket;
  readonly #pending = new Map<number, Pending>();
  #chunks: Buffer = Buffer.alloc(0);
  #numbers = 0;
  #unsent: Buffer = Buffer.alloc(0);
  #credit = unreadBytes;
  #resolveUp!: (release: string) => void;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.up = new Promise((resolve) => {
      this.#resolveUp = resolve;
    });
    socket.on('data', (chunk) => {
      this.#take(chunk);
    });
    // The machine's own end is what tells; here it would come without a reason.
    socket.on('error', () => undefined);
  }

  /** Starts a command; its standard input is empty. Rejects when the lab ends before it does. */
  run({ argv, cwd, env }: Command, out: { stdout: Writable; stderr: Writable }): Run {
    const number = (this.#numbers = (this.#numbers + 1) & 0xffff);
    const variables = Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
    const end = new Promise<End>((resolve, reject) => this.#pending.set(number, { ...out, resolve, reject }));
    // A byte before each argument, so that an empty one is not the end of them.
    const strings = [cwd, String(variables.length), ...variables, ...argv.map((each) => `\x01${each}`)];
    this.#send('R', number, Buffer.from(strings.map((each) => `${each}\0`).join('')));
    return { end, kill: (signal) => this.#send('K', number, Buffer.from([signal])) };
  }

  powerOff(): void {
    this.#send('Q', 0, Buffer.alloc(0));
  }

  /** What still runs will never end. */
  fail(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  #send(kind: string, number: number, payload: Buffer): void {
    const head = Buffer.alloc(headBytes);
    head.write(kind, 'latin1');
    head.writeUInt16LE(number, 1);
    head.writeUInt32LE(payload.length, 3);
    this.#unsent = Buffer.concat([this.#unsent, head, payload]);
    this.#sendWhatMayGo();
  }

  #sendWhatMayGo(): void {
    const bytes = this.#unsent.subarray(0, this.#credit);
    this.#unsent = this.#unsent.subarray(bytes.length);
    this.#credit -= bytes.length;
    if (bytes.length > 0) this.#socket.write(bytes);
  }

  #takeCredit(): void {
    this.#credit += creditBytes;
    this.#sendWhatMayGo();
  }

  #take(chunk: Buffer): void {
    this.#chunks = this.#chunks.length === 0 ? chunk : Buffer.concat([this.#chunks, chunk]);
    while (this.#chunks.length >= headBytes) {
      const whole = headBytes + this.#chunks.readUInt32LE(3);
      if (this.#chunks.length < whole) return;
      const kind = this.#chunks.toString('latin1', 0, 1);
      this.#obey(kind, this.#chunks.readUInt16LE(1), this.#chunks.subarray(headBytes, whole));
      this.#chunks = this.#chunks.subarray(whole);
    }
  }

  #obey(kind: string, number: number, payload: Buffer): void {
    if (kind === 'U') this.#resolveUp(payload.toString());
    if (kind === 'A') this.#takeCredit();
    const pending = this.#pending.get(number);
    if (!pending) return;
    if (kind === 'O') this.#pass(pending.stdout, payload);
    if (kind === 'E') this.#pass(pending.stderr, payload);
    if (kind !== 'X') return;
    this.#pending.delete(number);
    const value = payload[1]!;
    pending.resolve(payload[0] === 0x63 ? { code: value, signal: null } : { code: null, signal: value });
  }

  /** A reader that is slow slows the command down, by way of the machine's port. */
  #pass(stream: Writable, bytes: Buffer): void {
    if (stream.write(Buffer.from(bytes))) return;
    this.#socket.pause();
    stream.once('drain', () => this.#socket.resume());
  }
}
