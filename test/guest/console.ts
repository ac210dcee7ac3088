/**
 * Somebody at a guest's terminal: types, and waits for what the guest says. For a socket, a pty or a program such as
 * `domctl console` alike. Owns what was said and how much of it was read.
 */
import { once } from 'node:events';
import { constants, openSync } from 'node:fs';
import { connect } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { ReadStream } from 'node:tty';

const patienceMs = 120_000;

/** For a whole Debian to boot without KVM on a host that is busy otherwise. */
export const longPatienceMs = 500_000;

export class Console {
  #said = '';
  /** What was waited for lies before this. */
  #read = 0;
  #ended = false;
  #wake: () => void = () => undefined;
  readonly #input: Writable;

  /** `output` is what the guest says, `input` where one types. */
  constructor(output: Readable, input: Writable) {
    this.#input = input;
    output.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString('latin1');
      this.#wake();
    });
    for (const end of ['close', 'error'])
      output.on(end, () => {
        this.#ended = true;
        this.#wake();
      });
    input.on('error', () => undefined);
  }

  /** A console at a unix socket that listens already. */
  static async connect(path: string): Promise<Console> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new Console(socket, socket);
  }

  /** A console at a pseudo-terminal, e.g. `/dev/pts/3`. */
  static open(path: string): Console {
    const terminal = new ReadStream(openSync(path, constants.O_RDWR | constants.O_NOCTTY));
    terminal.setRawMode(true);
    return new Console(terminal, terminal);
  }

  /** All that was said so far. */
  get said(): string {
    return this.#said;
  }

  /** Resolves with the match once that is said, after what was waited for last. Throws with the last lines otherwise. */
  async waitFor(pattern: RegExp, deadlineMs = patienceMs): Promise<RegExpExecArray> {
    const deadline = performance.now() + deadlineMs;
    for (;;) {
      const match = new RegExp(pattern, 'gm');
      match.lastIndex = this.#read;
      const found = match.exec(this.#said);
      if (found) {
        this.#read = match.lastIndex;
        return found;
      }
      const left = deadline - performance.now();
      if (this.#ended) throw new Error(`the console ended without ${String(pattern)}:\n${this.#tail()}`);
      if (left <= 0) throw new Error(`no ${String(pattern)} within ${deadlineMs} ms:\n${this.#tail()}`);
      await this.#more(left);
    }
  }

  /** Types. A line ends with `\n`. */
  send(text: string): void {
    this.#input.write(text);
  }

  /** Logs in at the prompt, which comes within `deadlineMs`. */
  async logIn(user: string, password: string | null = null, deadlineMs = patienceMs): Promise<void> {
    await this.waitFor(/login: *$/, deadlineMs);
    this.send(`${user}\n`);
    if (password !== null) {
      await this.waitFor(/Password: *$/);
      this.send(`${password}\n`);
    }
    await this.waitFor(/[#$] /);
  }

  close(): void {
    this.#input.destroy();
  }

  async #more(limitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #tail(): string {
    return this.#said.slice(-2000);
  }
}
