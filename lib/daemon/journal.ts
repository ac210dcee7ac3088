/**
 * The journal: one JSON line a transition, on disk before its effects run. A restart folds it back into incarnations.
 * What cannot be read is kept aside and named, never acted on: a damaged journal must not end a running VM.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { syncDirectory, unwritable } from './durable.ts';
import { isArmed, reach } from './fault-points.ts';
import {
  compact,
  fold,
  foldTransitions,
  readJournal,
  type Remembered,
  type Transition,
  writeLine,
} from './journal-file.ts';
import { LineFile } from './line-file.ts';
import type { NewRecord } from './records.ts';

/** Past this size the next start of the daemon writes the file anew, with what still matters. */
const compactAboveBytes = 4 * 1024 * 1024;
/** A disk that was full is tried again this often, while something is owed to it. */
const tryAgainMs = 5000;

/** A record on its way to the disk. */
interface Line {
  readonly seq: number;
  readonly text: string;
  /** What it is about: of two that are owed the later one tells all. */
  readonly about: string;
  /** Its kind, or the event that led to its state. */
  readonly name: string;
  /** It is true whether it can be written or not. */
  readonly stands: boolean;
}

interface Waiting {
  readonly line: Line;
  resolve(seq: number): void;
  reject(error: unknown): void;
}

export class Journal {
  readonly #clock: Clock;
  readonly #file: LineFile;
  #seq: number;
  /** Lines of one batch share one fdatasync. */
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | null = null;
  /** Records that stand and that no disk took: written before the next ones. */
  #owed: Line[] = [];
  #again: NodeJS.Timeout | null = null;

  private constructor(file: LineFile, seq: number, clock: Clock) {
    this.#file = file;
    this.#seq = seq;
    this.#clock = clock;
  }

  /**
   * Opens `<directory>/journal.jsonl`, reads it, compacts it when large; `transitions` is every change of state it tells of,
   * oldest first. A disk that takes nothing keeps nobody from reading. Throws FAILED for a later format.
   */
  static async open(
    directory: string,
    clock: Clock,
  ): Promise<{ journal: Journal; remembered: Remembered; transitions: readonly Transition[] }> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, 'journal.jsonl');
    const { records, ...found } = await readJournal(path, clock);
    const folded = fold(records);
    const last = records.at(-1)?.seq ?? 0;
    const damage = [...found.damage];
    const note = (error: unknown): null => {
      damage.push(messageOf(unwritable(path, error)));
      return null;
    };
    const compacted = found.bytes > compactAboveBytes ? await compact(path, folded, last, clock).catch(note) : null;
    const file = new LineFile(path, found.ragged);
    await file.open().catch(note);
    await syncDirectory(directory).catch(note);
    const journal = new Journal(file, compacted ?? last, clock);
    return { journal, remembered: { ...folded, damage }, transitions: foldTransitions(records) };
  }

  /**
   * Resolves with its number when the record is on disk. Rejects with HOST_LACKS where no disk takes it. What it says
   * `stands` all the same: then it is written when there is room, with the last word on the same thing.
   */
  async append(record: NewRecord, { stands = false }: { readonly stands?: boolean } = {}): Promise<number> {
    const name = nameOf(record);
    reach(`before journal ${name}`);
    this.#seq += 1;
    const text = writeLine(record, this.#seq, this.#clock);
    const line = { seq: this.#seq, text, about: aboutOf(record), name, stands };
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  async close(): Promise<void> {
    await this.#flushing;
    if (this.#owed.length > 0) await this.#flush();
    if (this.#again) clearTimeout(this.#again);
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    do await this.#flushBatch();
    while (this.#waiting.length > 0);
    this.#flushing = null;
  }

  async #flushBatch(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    try {
      await this.#write([...this.#owed, ...batch.map(({ line }) => line)]);
      this.#owed = [];
      for (const { line } of batch) reach(`after journal ${line.name}`);
      for (const { line, resolve } of batch) resolve(line.seq);
    } catch (error) {
      this.#owe(batch.map(({ line }) => line).filter(({ stands }) => stands));
      for (const { reject } of batch) reject(unwritable(this.#file.path, error));
    }
  }

  async #write(lines: readonly Line[]): Promise<void> {
    for (const { name, text } of lines) if (isArmed(`half of journal ${name}`)) await this.#file.tear(text);
    await this.#file.append(lines.map(({ text }) => text).join(''));
  }

  #owe(lines: readonly Line[]): void {
    const later = new Set(lines.map(({ about }) => about));
    this.#owed = [...this.#owed.filter(({ about }) => !later.has(about)), ...lines.filter(isLastWord)];
    if (this.#owed.length === 0 || this.#again) return;
    this.#again = setTimeout(() => {
      this.#again = null;
      this.#flushing ??= this.#flush();
    }, tryAgainMs);
    this.#again.unref();
  }
}

function isLastWord({ about }: Line, index: number, all: readonly Line[]): boolean {
  return all.findLastIndex((other) => other.about === about) === index;
}

function nameOf(record: NewRecord): string {
  return record.kind === 'state' ? record.event : record.kind;
}

function aboutOf(record: NewRecord): string {
  switch (record.kind) {
    case 'opened':
      return 'opened';
    case 'launch':
      return `incarnation ${record.launch.id}`;
    case 'state':
      return `incarnation ${record.incarnation}`;
    case 'queued':
      return `ticket ${record.ticket.number}`;
    case 'dequeued':
      return `ticket ${record.ticket}`;
  }
}
