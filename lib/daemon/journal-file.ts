/**
 * The journal as it is found on disk: its readable lines and what is wrong with the others, what they come to, and the same
 * in fewer lines. Must not know who appends.
 */
import { copyFile, readFile, rename } from 'node:fs/promises';
import type { Clock } from '../clock.ts';
import type { Incarnation, IncarnationState, Launch } from '../domain/incarnation.ts';
import type { Ticket } from '../domain/ticket.ts';
import { DomctlError, isErrno, messageOf } from '../errors.ts';
import { unwritable, writeDurably } from './durable.ts';
import { type JournalRecord, journalRecord, journalVersion, type NewRecord } from './records.ts';

/** What the journal tells after a restart. */
export interface Remembered {
  readonly incarnations: readonly Incarnation[];
  readonly lastId: number;
  /** Starts that were waiting, in their order. */
  readonly tickets: readonly Ticket[];
  /** One sentence for each thing that could not be read. */
  readonly damage: readonly string[];
}

/** One change of state, as its record tells of it. */
export interface Transition {
  /** Number of its line. */
  readonly seq: number;
  readonly atMs: number;
  readonly launch: Launch;
  readonly before: IncarnationState;
  readonly after: IncarnationState;
}

/** What stands in the file, and how it ends. */
export interface Found {
  readonly records: readonly JournalRecord[];
  readonly damage: readonly string[];
  readonly bytes: number;
  /** What must come before the next line. */
  readonly ragged: '' | '\n';
}

/** The line of a record, with its end. */
export function writeLine(record: NewRecord, seq: number, clock: Clock): string {
  const at = new Date(clock.now()).toISOString();
  return `${JSON.stringify({ v: journalVersion, seq, at, ...record })}\n`;
}

/**
 * The readable records. A file with anything else in it is copied aside and written anew with the readable lines alone, so
 * that what is appended next starts a line of its own; a directory in its place is moved aside. Throws FAILED for a later format.
 */
export async function readJournal(path: string, clock: Clock): Promise<Found> {
  const aside = `${path}.damaged-${clock.now()}`;
  const text = await readFile(path, 'utf8').catch(async (error: unknown) => {
    if (isErrno(error, 'ENOENT')) return '';
    if (!isErrno(error, 'EISDIR')) throw error;
    await rename(path, aside);
    return null;
  });
  if (text === null) {
    const damage = [`${path}: a directory in its place`, `it is kept as ${aside}`];
    return { records: [], damage, bytes: 0, ragged: '' };
  }
  const { records, damage, sound } = readLines(path, text);
  const repair =
    sound === text ? { damage: [], done: true } : await putRight(path, sound, damage.length > 0 ? aside : null);
  const end = repair.done ? sound : text;
  const ragged = end === '' || end.endsWith('\n') ? '' : '\n';
  return { records, damage: [...damage, ...repair.damage], bytes: text.length, ragged };
}

function readLines(path: string, text: string): { records: JournalRecord[]; damage: string[]; sound: string } {
  const records: JournalRecord[] = [];
  const damage: string[] = [];
  let sound = '';
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const where = `${path}:${index + 1}`;
    const record = parseLine(line, where);
    if (typeof record === 'string') damage.push(record);
    else if (record.seq <= (records.at(-1)?.seq ?? 0)) damage.push(`${where}: line ${record.seq} stands there twice`);
    else {
      records.push(record);
      sound += `${line}\n`;
    }
  }
  return { records, damage, sound };
}

/** A disk that takes nothing leaves it as it is: the next daemon reads the same, and puts it right. */
async function putRight(
  path: string,
  sound: string,
  aside: string | null,
): Promise<{ damage: string[]; done: boolean }> {
  try {
    if (aside !== null) await copyFile(path, aside);
    await writeDurably(path, sound);
    return { damage: aside === null ? [] : [`a copy is kept as ${aside}`], done: true };
  } catch (error) {
    return { damage: [`it is left as it is: ${messageOf(unwritable(path, error))}`], done: false };
  }
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

/** Each incarnation in its last state, and who waits. */
export function fold(records: readonly JournalRecord[]): Folded {
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

/** Every change from one state to another of which both are told, oldest first. */
export function foldTransitions(records: readonly JournalRecord[]): Transition[] {
  const known = new Map<number, Incarnation>();
  return records.flatMap((record) => {
    if (record.kind === 'launch') known.set(record.launch.id, record);
    const before = record.kind === 'state' ? known.get(record.incarnation) : undefined;
    if (record.kind !== 'state' || !before) return [];
    known.set(record.incarnation, { launch: before.launch, state: record.state });
    const { seq, at, state: after } = record;
    return [{ seq, atMs: Date.parse(at), launch: before.launch, before: before.state, after }];
  });
}

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

/**
 * Writes the file anew with every incarnation that is not released, the last one of each domain, and the queue; numbers its
 * lines on from `lastSeq`, since events remember the line they come from. Returns the last number.
 */
export async function compact(path: string, folded: Folded, lastSeq: number, clock: Clock): Promise<number> {
  const last = new Map(folded.incarnations.map((one) => [one.launch.domain, one.launch.id]));
  const kept = folded.incarnations.filter(
    ({ launch, state }) => state.kind !== 'released' || last.get(launch.domain) === launch.id,
  );
  const records: NewRecord[] = [
    { kind: 'opened', lastId: folded.lastId },
    ...kept.map(({ launch, state }) => ({ kind: 'launch' as const, launch, state })),
    ...folded.tickets.map((ticket) => ({ kind: 'queued' as const, ticket })),
  ];
  const lines = records.map((record, index) => writeLine(record, lastSeq + 1 + index, clock));
  await writeDurably(path, lines.join(''), 'journal compacted, not in place');
  return lastSeq + records.length;
}
