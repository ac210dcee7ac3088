/**
 * What a QMP server may say, from bytes to typed messages. Pure. Owns the line limit and the shapes of the envelope;
 * must not know commands or sockets.
 */
import { z } from 'zod';
import { oneLine } from '../format.ts';

/** Longest line taken from a hypervisor, in bytes; real answers stay below one MiB. */
export const longestLineBytes = 4 * 1024 * 1024;

/**
 * As deep as QEMU's own reader goes (MAX_NESTING in qobject/json-parser.c): whatever walks a value does so by recursion. And
 * so many values: QEMU's largest answer, its schema, has a tenth. Of each bracket of a line, and of each digit of a list
 * that should hold something else, hundreds of bytes would be made here.
 */
const deepestNesting = 1024;
const mostValues = 100_000;

/** Longest reason of a refusal that is passed on, in characters. */
const longestReason = 1024;

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
  .transform(({ error, id }): Message => {
    return { kind: 'error', id, class: error.class, reason: oneLine(error.desc, longestReason) };
  });

const success = z
  .object({ return: z.unknown(), id: z.int() })
  .transform(({ return: value, id }): Message => ({ kind: 'return', id, value }));

const shapes = { QMP: greeting, event, error: failure, return: success } as const;

/** One line as a message. Throws what parseLine does, ZodError or TypeError when it is not QMP. */
export function parseMessage(line: string): Message {
  const value = parseLine(line);
  if (typeof value !== 'object' || value === null) throw new TypeError('not an object');
  const key = (['QMP', 'event', 'error', 'return'] as const).find((each) => Object.hasOwn(value, each));
  if (key === undefined) throw new TypeError('neither greeting, event nor reply');
  return shapes[key].parse(value);
}

/** The JSON of one line. Throws SyntaxError when it is none, RangeError when it is nested too deep, or too much. */
export function parseLine(line: string): unknown {
  const { levels, values } = measure(line);
  if (levels > deepestNesting) throw new RangeError(`nested more than ${deepestNesting} levels deep`);
  if (values > mostValues) throw new RangeError(`more than ${mostValues} values`);
  return JSON.parse(line);
}

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];

/** Levels of objects and arrays, and how many values they have at least, of text that need not be JSON. */
function measure(line: string): { levels: number; values: number } {
  let [depth, levels, values] = [0, 0, 1];
  for (let at = 0; at < line.length; at += 1) {
    const code = line.charCodeAt(at);
    if (code === quote) at = endOfString(line, at);
    else if (code === comma) values += 1;
    // `[` and `{`, `]` and `}`.
    else if (code === 0x5b || code === 0x7b) levels = Math.max(levels, (depth += 1));
    else if (code === 0x5d || code === 0x7d) depth -= 1;
  }
  return { levels, values };
}

/** Where the string that begins at `start` ends. */
function endOfString(line: string, start: number): number {
  let at = start + 1;
  for (let code = line.charCodeAt(at); at < line.length && code !== quote; code = line.charCodeAt(at)) {
    at += code === backslash ? 2 : 1;
  }
  return at;
}

const usualLineBytes = 64 * 1024;

/** Cuts a byte stream into lines, holding at most one unfinished line however small the pieces it arrives in. */
export class LineReader {
  #held = Buffer.alloc(usualLineBytes);
  #heldBytes = 0;

  /** The lines that `chunk` completes, blank ones too. Throws RangeError when a line, complete or not, is too long. */
  *push(chunk: Buffer): Generator<string> {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      this.#hold(chunk.subarray(start, end));
      start = end + 1;
      yield this.#take().trim();
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
