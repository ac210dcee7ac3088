/**
 * Keeps the logs of a directory short, also one that its hypervisor fills as fast as it can: the kernel tells of the first
 * write after a quiet time, and a log that was too long is looked at again at once. A hypervisor keeps the file that it was
 * born with, so nothing but shortening that one helps: docs/decisions/0024-logs-are-files-that-are-shortened.md.
 */
import { type FSWatcher, watch } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../log.ts';
import { trimLog } from './runtime-files.ts';

/** Between a write and the look at it. */
const settleMs = 250;
/** While one is written faster than that. */
const hastyMs = 50;
/** Where the kernel cannot tell (its watches are used up), and when nothing is written. */
const quietMs = 30_000;

/** Of one directory; holds no process up. */
export class LogKeeper {
  readonly #directory: string;
  readonly #log: Pick<Log, 'warn'>;
  #watcher: FSWatcher | null = null;
  #timer: NodeJS.Timeout | undefined;
  /** Something was written since the watch began. */
  #hinted = false;
  #closed = false;

  constructor(directory: string, log: Pick<Log, 'warn'>) {
    this.#directory = directory;
    this.#log = log;
  }

  /** Shortens what is too long now, and goes on until closed. Never rejects. */
  async keep(): Promise<void> {
    const shortened = await this.#shortenAll();
    if (shortened) this.#stopWatching();
    if (this.#closed || (this.#hinted && !shortened)) return;
    this.#lookAfter(shortened ? hastyMs : quietMs);
  }

  close(): void {
    this.#closed = true;
    this.#stopWatching();
    clearTimeout(this.#timer);
  }

  /** True: at least one was too long. What is written from its beginning on is noticed. */
  async #shortenAll(): Promise<boolean> {
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o755 });
      this.#watch();
      const names = (await readdir(this.#directory)).filter((name) => name.endsWith('.log'));
      const shortened = await Promise.all(names.map(async (name) => trimLog(join(this.#directory, name))));
      return shortened.includes(true);
    } catch (error) {
      this.#log.warn({ err: error }, 'shorten logs');
      return false;
    }
  }

  /** One hint is enough: who writes on and on would keep us busy with them. */
  #watch(): void {
    this.#stopWatching();
    this.#hinted = false;
    if (this.#closed) return;
    try {
      this.#watcher = watch(this.#directory, { persistent: false }, () => {
        this.#hinted = true;
        this.#stopWatching();
        this.#lookAfter(settleMs);
      });
      this.#watcher.on('error', () => this.#stopWatching());
    } catch {
      this.#watcher = null;
    }
  }

  #lookAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.keep(), ms).unref();
  }

  #stopWatching(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }
}
