/**
 * Events on disk: one JSON line each in `events.jsonl`, the ones before in `events.1.jsonl`; together they stay bounded.
 * Owns the files; must not know who listens. A line that is not whole is passed over: its number is missing, and said to be.
 */
import { type FileHandle, open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DomainEvent } from '../client/contract.ts';
import { isErrno } from '../errors.ts';
import { isArmed } from './fault-points.ts';
import { LineFile } from './line-file.ts';

/** How far the journal had been told: all lines before `seq`, and of that one as many events. */
export interface Mark {
  readonly seq: number;
  readonly parts: number;
}

/** An event as it is kept; null: by a daemon that kept no mark. */
export interface KeptEvent {
  readonly event: DomainEvent;
  readonly mark: Mark | null;
}

/** Past this size the file becomes the older one, and the older one goes. */
const usualFileBytes = 8 * 1024 * 1024;
/** A safe integer in decimal. */
const numberWidth = 16;

export class EventFiles {
  readonly #directory: string;
  readonly #longestBytes: number;
  #file: LineFile;

  private constructor(directory: string, longestBytes: number) {
    this.#directory = directory;
    this.#longestBytes = longestBytes;
    this.#file = new LineFile(currentFile(directory), '\n');
  }

  /** A disk that takes nothing keeps nobody from reading. */
  static async open(directory: string, longestBytes = usualFileBytes): Promise<EventFiles> {
    const files = new EventFiles(directory, longestBytes);
    await files.#file.open().catch(() => null);
    return files;
  }

  /** Resolves when the events are on disk. Rejects where they are not, or not all of them: then append them again. */
  async append(events: readonly KeptEvent[]): Promise<void> {
    const text = events.map(({ event, mark }) => `${JSON.stringify({ ...event, journal: mark })}\n`).join('');
    const size = await this.#file.sizeBytes();
    if (size > 0 && size + text.length > this.#longestBytes) await this.#rotate();
    if (isArmed('half of the events written')) await this.#file.tear(text);
    await this.#file.append(text);
  }

  /** Keeps the last number given out, where it can be written even on a full disk: over itself. */
  async keepNumber(id: number): Promise<void> {
    await writeFile(numberFile(this.#directory), String(id).padStart(numberWidth), { flag: 'r+' }).catch(
      async (error: unknown) => {
        if (!isErrno(error, 'ENOENT')) throw error;
        await writeFile(numberFile(this.#directory), String(id).padStart(numberWidth), { mode: 0o600 });
      },
    );
  }

  /** The number kept last; 0: none was. */
  async keptNumber(): Promise<number> {
    await using file = await openOrNull(numberFile(this.#directory));
    const id = Number((await file?.readFile('utf8')) ?? 0);
    return Number.isSafeInteger(id) ? id : 0;
  }

  /** All that is kept, oldest first, read as it is asked for. What is appended meanwhile may be there or not. */
  async *read(): AsyncGenerator<KeptEvent> {
    // Both before the first line: a rotation takes neither away from us.
    await using current = await openOrNull(currentFile(this.#directory));
    await using older = await openOrNull(olderFile(this.#directory));
    for (const file of [older, current]) {
      if (!file) continue;
      for await (const line of file.readLines({ autoClose: false })) {
        const event = parseLine(line);
        if (event) yield event;
      }
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #rotate(): Promise<void> {
    await rename(currentFile(this.#directory), olderFile(this.#directory));
    const older = this.#file;
    this.#file = new LineFile(currentFile(this.#directory), '');
    await older.close();
  }
}

function currentFile(directory: string): string {
  return join(directory, 'events.jsonl');
}

function olderFile(directory: string): string {
  return join(directory, 'events.1.jsonl');
}

function numberFile(directory: string): string {
  return join(directory, 'events.last');
}

async function openOrNull(path: string): Promise<FileHandle | null> {
  return open(path, 'r').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  });
}

function parseLine(line: string): KeptEvent | null {
  try {
    const { journal = null, ...event } = JSON.parse(line) as DomainEvent & { readonly journal?: Mark | null };
    return typeof event.id === 'number' && typeof event.atMs === 'number' ? { event, mark: journal } : null;
  } catch {
    return null;
  }
}
