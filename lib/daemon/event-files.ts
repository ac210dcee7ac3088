/**
 * Events on disk: one JSON line each in `events.jsonl`, the ones before in `events.1.jsonl`; together they stay bounded.
 * Owns the files; must not know who listens. A line that is not whole is passed over: its number is missing, and said to be.
 */
import { type FileHandle, open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DomainEvent } from '../client/contract.ts';
import { isErrno } from '../errors.ts';
import { die, isArmed } from './fault-points.ts';

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
  /** null: no disk let it be opened for writing yet. */
  #file: FileHandle | null;
  /** The last line may be torn: the next one must not be glued to it. */
  #ragged: '' | '\n' = '\n';

  private constructor(directory: string, longestBytes: number, file: FileHandle | null) {
    this.#directory = directory;
    this.#longestBytes = longestBytes;
    this.#file = file;
  }

  /** A disk that takes nothing keeps nobody from reading. */
  static async open(directory: string, longestBytes = usualFileBytes): Promise<EventFiles> {
    const file = await openToAppend(directory).catch(() => null);
    return new EventFiles(directory, longestBytes, file);
  }

  /** Resolves when the events are on disk. Rejects where they are not, or not all of them: then append them again. */
  async append(events: readonly KeptEvent[]): Promise<void> {
    const text = events.map(({ event, mark }) => `${JSON.stringify({ ...event, journal: mark })}\n`).join('');
    this.#file ??= await openToAppend(this.#directory);
    const { size } = await this.#file.stat();
    if (size > 0 && size + text.length > this.#longestBytes)
      return this.#write(await this.#rotate(this.#file), 0, text);
    return this.#write(this.#file, size, text);
  }

  /** What a full disk took of it goes again: or the next try would double it. */
  async #write(file: FileHandle, sizeBytes: number, text: string): Promise<void> {
    const before = this.#ragged;
    try {
      if (isArmed('half of the events written')) {
        await file.appendFile(before + text.slice(0, text.length / 2));
        die();
      }
      await file.appendFile(before + text);
      await file.datasync();
      this.#ragged = '';
    } catch (error) {
      await file.truncate(sizeBytes).catch(() => (this.#ragged = '\n'));
      throw error;
    }
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
    await this.#file?.close();
  }

  async #rotate(file: FileHandle): Promise<FileHandle> {
    await rename(currentFile(this.#directory), olderFile(this.#directory));
    const next = await openToAppend(this.#directory);
    await file.close();
    this.#file = next;
    this.#ragged = '';
    return next;
  }
}

function currentFile(directory: string): string {
  return join(directory, 'events.jsonl');
}

async function openToAppend(directory: string): Promise<FileHandle> {
  return open(currentFile(directory), 'a', 0o600);
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
