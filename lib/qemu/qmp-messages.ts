/**
 * What a QMP server may say, from bytes to typed messages. Pure. Owns the line limit and the shapes of the envelope;
 * must not know commands or sockets.
 */
import { z } from 'zod';

/** Longest line taken from a hypervisor, in bytes; real answers stay below one MiB. */
export const longestLineBytes = 16 * 1024 * 1024;

/** An event: `atMs` is QEMU's wall clock, milliseconds since the epoch. */
export interface QmpEvent {
  readonly name: string;
  readonly data: Record<string, unknown>;
  readonly atMs: number;
}

/** One line from the server, understood. */
export type Message =
  | { readonly kind: 'greeting'; readonly capabilities: readonly string[] }
  | { readonly kind: 'event'; readonly event: QmpEvent }
  | { readonly kind: 'return'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly class: string; readonly reason: string };

const greeting = z
  .object({ QMP: z.object({ capabilities: z.array(z.string()) }) })
  .transform(({ QMP }): Message => ({ kind: 'greeting', capabilities: QMP.capabilities }));

const event = z
  .object({
    event: z.string(),
    data: z.record(z.string(), z.unknown()).default({}),
    timestamp: z.object({ seconds: z.number(), microseconds: z.number() }),
  })
  .transform(({ event: name, data, timestamp }): Message => {
    return { kind: 'event', event: { name, data, atMs: timestamp.seconds * 1000 + timestamp.microseconds / 1000 } };
  });

const failure = z
  .object({ error: z.object({ class: z.string(), desc: z.string() }), id: z.int() })
  .transform(({ error, id }): Message => ({ kind: 'error', id, class: error.class, reason: error.desc }));

const success = z
  .object({ return: z.unknown(), id: z.int() })
  .transform(({ return: value, id }): Message => ({ kind: 'return', id, value }));

const shapes = { QMP: greeting, event, error: failure, return: success } as const;

/** One line as a message. Throws SyntaxError when it is not JSON, ZodError or TypeError when it is not QMP. */
export function parseMessage(line: string): Message {
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) throw new TypeError('not an object');
  const key = (['QMP', 'event', 'error', 'return'] as const).find((each) => Object.hasOwn(value, each));
  if (key === undefined) throw new TypeError('neither greeting, event nor reply');
  return shapes[key].parse(value);
}

const usualLineBytes = 64 * 1024;

/** Cuts a byte stream into lines, holding at most one unfinished line however small the pieces it arrives in. */
export class LineReader {
  #held = Buffer.alloc(usualLineBytes);
  #heldBytes = 0;

  /** The lines that `chunk` completes. Throws RangeError when a line, complete or not, is too long. */
  *push(chunk: Buffer): Generator<string> {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      this.#hold(chunk.subarray(start, end));
      start = end + 1;
      const line = this.#take();
      if (line.trim() !== '') yield line;
    }
    this.#hold(chunk.subarray(start));
  }

  #hold(part: Buffer): void {
    const neededBytes = this.#heldBytes + part.length;
    if (neededBytes > longestLineBytes) throw new RangeError(`a line of more than ${longestLineBytes} bytes`);
    if (neededBytes > this.#held.length) this.#grow(neededBytes);
    part.copy(this.#held, this.#heldBytes);
    this.#heldBytes = neededBytes;
  }

  #grow(neededBytes: number): void {
    const larger = Buffer.alloc(Math.max(neededBytes, 2 * this.#held.length));
    this.#held.copy(larger, 0, 0, this.#heldBytes);
    this.#held = larger;
  }

  #take(): string {
    const line = this.#held.toString('utf8', 0, this.#heldBytes);
    this.#heldBytes = 0;
    if (this.#held.length > usualLineBytes) this.#held = Buffer.alloc(usualLineBytes);
    return line;
  }
}
