/**
 * The log of events: numbers them, keeps them, and tells them to whoever listens. Telling waits for nobody: those who
 * publish go on at once, and those who listen read at their own pace, from memory or, when far behind, from disk. An event
 * is told once it is kept, so that no number a listener has seen names another event after a crash.
 */
import type { DomainEvent, EventGap } from '../client/contract.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { EventFiles, type KeptEvent, type Mark } from './event-files.ts';
import { reach } from './fault-points.ts';

/** Events in memory: what listeners that keep up are told from. */
const usualTail = 2048;

/** An event to be; number and time are given by the log. */
export type NewEvent = Omit<DomainEvent, 'id' | 'at' | 'atMs'>;

/** Where a listener is when there is nothing to tell: everything up to `id` was told, or is not for it. */
export interface Position {
  readonly event: 'position';
  readonly id: number;
}

export interface Following {
  /** Events after this number; null: by `sinceMs`, or from now on. */
  readonly afterId: number | null;
  readonly sinceMs: number | null;
  /** False: ends when all that is kept was told. */
  readonly follow: boolean;
  /** A position is said this often while nothing happens. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
  matches(event: DomainEvent): boolean;
}

export interface LogSettings {
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
  readonly fileBytes?: number;
  readonly tail?: number;
}

export class EventLog {
  readonly #files: EventFiles;
  readonly #settings: LogSettings;
  readonly #longestTail: number;
  readonly #listeners = new Set<() => void>();
  /** The latest that were told, without a hole. */
  #tail: DomainEvent[];
  #lastId: number;
  /** The last one that listeners may have seen. */
  #toldId: number;
  #waiting: KeptEvent[] = [];
  /** Told, but not on disk: written with the next ones. */
  #unwritten: KeptEvent[] = [];
  #mark: Mark | null;
  #flushing: Promise<void> | null = null;

  private constructor(
    files: EventFiles,
    settings: LogSettings,
    { tail, lastId, mark }: { tail: DomainEvent[]; lastId: number; mark: Mark | null },
  ) {
    this.#files = files;
    this.#settings = settings;
    this.#mark = mark;
    this.#longestTail = settings.tail ?? usualTail;
    this.#tail = tail;
    this.#lastId = lastId;
    this.#toldId = lastId;
  }

  /** Opens the log in `stateDir`, which must be there; goes on with the number after the last one given out. */
  static async open(stateDir: string, settings: LogSettings): Promise<EventLog> {
    const files = await EventFiles.open(stateDir, settings.fileBytes);
    const tail: DomainEvent[] = [];
    let lastId = await files.keptNumber();
    let last: Mark | null = lastId === 0 ? { seq: 0, parts: 0 } : null;
    for await (const { event, mark } of files.read()) {
      last = mark;
      if (event.id !== (tail.at(-1)?.id ?? event.id - 1) + 1) tail.length = 0;
      tail.push(event);
      if (tail.length > 2 * (settings.tail ?? usualTail)) tail.splice(0, tail.length / 2);
      lastId = Math.max(lastId, event.id);
    }
    // Numbers that were told and never kept: what is in memory must reach up to the last.
    if (tail.at(-1)?.id !== lastId) tail.length = 0;
    return new EventLog(files, settings, { tail, lastId, mark: last });
  }

  /** The latest events, oldest first. */
  get recent(): readonly DomainEvent[] {
    return this.#tail;
  }

  /** How far the journal has been told, by the last event that is kept; null: by a daemon that kept no mark. */
  get mark(): Mark | null {
    return this.#mark;
  }

  /** Numbers an event and returns; it is kept and told soon after. Never throws. `atMs`: when it happened, if not now. */
  publish(event: NewEvent, atMs: number = this.#settings.clock.now()): void {
    this.#lastId += 1;
    const numbered = { id: this.#lastId, at: new Date(atMs).toISOString(), atMs, ...event };
    this.#waiting.push({ event: numbered, mark: this.#mark });
    this.#flushing ??= this.#flush();
  }

  /** The same of an event that the journal tells of. */
  publishMarked(event: NewEvent, mark: Mark, atMs?: number): void {
    this.#mark = mark;
    this.publish(event, atMs);
  }

  /**
   * Events as they were asked for and, unless told not to follow, those to come, until the signal aborts. A gap stands for
   * what is not kept any more. Begins with a position, and says one whenever nothing happened for a while. All that was
   * published before is told: whoever asks after a command was answered finds what it did.
   */
  async *subscribe(following: Following): AsyncGenerator<DomainEvent | EventGap | Position> {
    const { follow, idleMs, signal } = following;
    if (!follow) await this.#flushing;
    const cursor = this.#begin(following);
    yield { event: 'position', id: Math.min(cursor.id, this.#toldId) };
    if (cursor.id > this.#toldId) yield cursor.goTo(this.#toldId);
    for (;;) {
      yield* this.#catchUp(cursor, following);
      if (!follow || signal.aborted) return;
      if ((await this.#next(cursor.id, idleMs, signal)) === 'idle') yield { event: 'position', id: cursor.id };
    }
  }

  #begin({ afterId, sinceMs }: Following): Cursor {
    return new Cursor(afterId ?? (sinceMs === null ? this.#toldId : 0), sinceMs);
  }

  async *#catchUp(cursor: Cursor, { matches, signal }: Following): AsyncGenerator<DomainEvent | EventGap> {
    while (cursor.id < this.#toldId) {
      const goal = this.#toldId;
      for await (const event of this.#after(cursor.id)) {
        if (signal.aborted) return;
        const gap = cursor.advance(event);
        if (gap) yield gap;
        if (cursor.wants(event) && matches(event)) yield event;
      }
      // Told once, and neither in memory nor on disk: there is nothing to wait for.
      if (cursor.id < goal) yield cursor.goTo(goal);
    }
  }

  async close(): Promise<void> {
    await this.#flushing;
    await this.#files.close();
  }

  /** Kept events after `id`: from memory where it reaches back so far, else from disk first. */
  async *#after(id: number): AsyncGenerator<DomainEvent> {
    let last = id;
    const oldest = this.#tail[0]?.id ?? this.#toldId + 1;
    if (id < oldest - 1) {
      for await (const { event } of this.#files.read()) {
        if (event.id <= last || event.id > this.#toldId) continue;
        last = event.id;
        yield event;
      }
    }
    yield* this.#tail.filter((event) => event.id > last);
  }

  /** Waits until something came after `id`, `atMostMs` have passed, or the signal aborts. */
  async #next(id: number, atMostMs: number, signal: AbortSignal): Promise<'idle' | 'came or gone'> {
    if (signal.aborted || this.#toldId > id) return 'came or gone';
    return new Promise((resolve) => {
      let idle = false;
      const finish = (): void => {
        clearTimeout(timer);
        this.#listeners.delete(finish);
        signal.removeEventListener('abort', finish);
        resolve(idle ? 'idle' : 'came or gone');
      };
      const timer = setTimeout(() => {
        idle = true;
        finish();
      }, atMostMs);
      this.#listeners.add(finish);
      signal.addEventListener('abort', finish);
    });
  }

  async #flush(): Promise<void> {
    // The caller goes on first.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      await this.#keep(batch);
      this.#tail.push(...batch.map(({ event }) => event));
      if (this.#tail.length > 2 * this.#longestTail) this.#tail = this.#tail.slice(-this.#longestTail);
      this.#toldId = batch.at(-1)?.event.id ?? this.#toldId;
      for (const listener of [...this.#listeners]) listener();
    }
    this.#flushing = null;
  }

  /** A disk that takes nothing keeps nobody from being told; what it did not take is tried again with the next ones. */
  async #keep(batch: readonly KeptEvent[]): Promise<void> {
    const events = [...this.#unwritten, ...batch];
    try {
      await this.#files.append(events);
      this.#unwritten = [];
      reach('events written');
    } catch (error) {
      this.#unwritten = events.slice(-this.#longestTail);
      this.#settings.log.error({ err: error, unwritten: this.#unwritten.length }, 'event log');
      await this.#files.keepNumber(this.#lastId).catch(() => undefined);
    }
  }
}

/** How far a listener has been told. */
class Cursor {
  id: number;
  readonly #sinceMs: number | null;

  constructor(id: number, sinceMs: number | null) {
    this.id = id;
    this.#sinceMs = sinceMs;
  }

  wants({ atMs }: DomainEvent): boolean {
    return this.#sinceMs === null || atMs >= this.#sinceMs;
  }

  /** Steps on to `event`; the gap before it, if numbers are missing that were asked for. */
  advance(event: DomainEvent): EventGap | null {
    const afterId = this.id;
    this.id = event.id;
    return event.id === afterId + 1 || !this.wants(event) ? null : { event: 'gap', afterId, nextId: event.id };
  }

  /** A number from a log that is not this one: what was asked for is not there. */
  goTo(id: number): EventGap {
    const gap: EventGap = { event: 'gap', afterId: this.id, nextId: id + 1 };
    this.id = id;
    return gap;
  }
}
