/**
 * The journal: one JSON line a transition, on disk before its effects run. A restart folds it back into incarnations.
 * What cannot be read is kept aside and named, never acted on: a damaged journal must not end a running VM.
 */
import { copyFile, type FileHandle, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Clock } from '../clock.ts';
import type { Incarnation } from '../domain/incarnation.ts';
import type { Ticket } from '../domain/ticket.ts';
import { DomctlError, isErrno } from '../errors.ts';
import { type JournalRecord, journalRecord, journalVersion, type NewRecord } from './records.ts';

/** Past this size the next start of the daemon writes the file anew, with what still matters. */
const compactAboveBytes = 4 * 1024 * 1024;

/** What the journal tells after a restart. */
export interface Remembered {
  readonly incarnations: readonly Incarnation[];
  readonly lastId: number;
  /** Starts that were waiting, in their order. */
  readonly tickets: readonly Ticket[];
  /** One sentence for each thing that could not be read. */
  readonly damage: readonly string[];
}

export class Journal {
  readonly #file: FileHandle;
  readonly #clock: Clock;
  #seq: number;
  /** Lines of one batch share one fdatasync. */
  #waiting: { line: string; resolve: () => void; reject: (error: unknown) => void }[] = [];
  #flushing: Promise<void> | null = null;
  #ragged: '' | '\n' = '';

  private constructor(file: FileHandle, clock: Clock, seq: number) {
    this.#file = file;
    this.#clock = clock;
    this.#seq = seq;
  }

  /** Opens `<directory>/journal.jsonl`, reads it, compacts it when large. Throws FAILED for a later format. */
  static async open(directory: string, clock: Clock): Promise<{ journal: Journal; remembered: Remembered }> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, 'journal.jsonl');
    const text = await readOrEmpty(path);
    const { records, damage } = await readRecords(path, text, clock);
    const folded = fold(records);
    const lines = text.length > compactAboveBytes ? await compact(path, folded, clock) : null;
    const file = await open(path, 'a', 0o600);
    await syncDirectory(directory);
    return { journal: new Journal(file, clock, lines ?? records.at(-1)?.seq ?? 0), remembered: { ...folded, damage } };
  }

  /** Resolves when the record is on disk. */
  async append(record: NewRecord): Promise<void> {
    this.#seq += 1;
    const line = writeLine(record, this.#seq, this.#clock);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line, resolve, reject });
      this.#flushing ??= this.#flush();
    });
  }

  async close(): Promise<void> {
    await this.#flushing;
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#file.appendFile(this.#ragged + batch.map(({ line }) => line).join(''));
        await this.#file.datasync();
        this.#ragged = '';
        for (const { resolve } of batch) resolve();
      } catch (error) {
        // Part of a line may be on disk (ENOSPC): the next one must not be glued to it.
        this.#ragged = '\n';
        for (const { reject } of batch) reject(error);
      }
    }
    this.#flushing = null;
  }
}

function writeLine(record: NewRecord, seq: number, clock: Clock): string {
  const at = new Date(clock.now()).toISOString();
  return `${JSON.stringify({ v: journalVersion, seq, at, ...record })}\n`;
}

async function readOrEmpty(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  });
}

/**
 * The readable records. A file with anything else in it is copied aside and written anew with the readable lines alone, so
 * that what is appended next starts a line of its own.
 */
async function readRecords(
  path: string,
  text: string,
  clock: Clock,
): Promise<{ records: JournalRecord[]; damage: string[] }> {
  const records: JournalRecord[] = [];
  const damage: string[] = [];
  let sound = '';
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const record = parseLine(line, `${path}:${index + 1}`);
    if (typeof record === 'string') damage.push(record);
    else if (record.seq <= (records.at(-1)?.seq ?? 0)) {
      damage.push(`${path}:${index + 1}: line ${record.seq} stands there twice`);
    } else {
      records.push(record);
      sound += `${line}\n`;
    }
  }
  if (damage.length > 0) damage.push(await keepAside(path, clock));
  if (sound !== text) await writeDurably(path, sound);
  return { records, damage };
}

async function keepAside(path: string, clock: Clock): Promise<string> {
  const aside = `${path}.damaged-${clock.now()}`;
  await copyFile(path, aside);
  return `a copy is kept as ${aside}`;
}

/** The record, or a sentence on why there is none. A later version throws: its meaning cannot be guessed. */
function parseLine(line: string, where: string): JournalRecord | string {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    return `${where}: not a whole line`;
  }
  const version = typeof json === 'object' && json !== null && 'v' in json ? json.v : null;
  if (typeof version === 'number' && version > journalVersion) {
    throw new DomctlError(
      'FAILED',
      `${where}: written by a later domctl (format ${version}, this one knows ${journalVersion})`,
      {
        hint: 'start the daemon of the later version; nothing was changed',
      },
    );
  }
  const parsed = journalRecord.safeParse(json);
  return parsed.success ? parsed.data : `${where}: ${parsed.error.issues[0]?.message ?? 'not a journal record'}`;
}

type Folded = Omit<Remembered, 'damage'>;

/** A start that was begun is no longer waiting, whether that was written down or not. */
function foldTickets(records: readonly JournalRecord[]): Ticket[] {
  const tickets = new Map<number, Ticket>();
  for (const record of records) {
    if (record.kind === 'queued') tickets.set(record.ticket.number, record.ticket);
    else if (record.kind === 'dequeued') tickets.delete(record.ticket);
    else if (record.kind === 'launch') {
      for (const { number, domain } of tickets.values()) if (domain === record.launch.domain) tickets.delete(number);
    }
  }
  return [...tickets.values()].toSorted((a, b) => a.number - b.number);
}

function fold(records: readonly JournalRecord[]): Folded {
  const incarnations = new Map<number, Incarnation>();
  let lastId = 0;
  for (const record of records) {
    if (record.kind === 'opened') lastId = Math.max(lastId, record.lastId);
    else if (record.kind === 'launch') {
      lastId = Math.max(lastId, record.launch.id);
      incarnations.set(record.launch.id, { launch: record.launch, state: record.state });
    } else if (record.kind === 'state') {
      lastId = Math.max(lastId, record.incarnation);
      const before = incarnations.get(record.incarnation);
      if (before) incarnations.set(record.incarnation, { launch: before.launch, state: record.state });
    }
  }
  return { incarnations: [...incarnations.values()], lastId, tickets: foldTickets(records) };
}

/** Keeps every incarnation that is not released, the last one of each domain, and the queue; returns the number of lines. */
async function compact(path: string, folded: Folded, clock: Clock): Promise<number> {
  const last = new Map(folded.incarnations.map((one) => [one.launch.domain, one.launch.id]));
  const kept = folded.incarnations.filter(
    ({ launch, state }) => state.kind !== 'released' || last.get(launch.domain) === launch.id,
  );
  const records: NewRecord[] = [
    { kind: 'opened', lastId: folded.lastId },
    ...kept.map(({ launch, state }) => ({ kind: 'launch' as const, launch, state })),
    ...folded.tickets.map((ticket) => ({ kind: 'queued' as const, ticket })),
  ];
  await writeDurably(path, records.map((record, index) => writeLine(record, index + 1, clock)).join(''));
  return records.length;
}

/** Write, fsync, rename, fsync the directory: the file is whole whenever the power goes. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`;
  await writeFile(fresh, text, { mode: 0o600, flush: true });
  await rename(fresh, path);
  await syncDirectory(dirname(path));
}

/** Makes renames, creations and removals in `directory` durable. */
export async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r');
  await handle.sync();
}
