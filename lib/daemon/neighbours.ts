/**
 * What other daemons of this host have promised: those that share its memory must not promise the same bytes. Each keeps a
 * file of its promises in one directory, and reads those of others before it decides. It writes down what it is about to
 * promise before it reads: of two that decide at once each sees the other, so that one may be refused too many, and none
 * is admitted too many.
 */
import { mkdir, readdir, readFile, rename, rmdir, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Mutex } from 'async-mutex';
import { z } from 'zod';
import type { Cgroup } from '../../cgroups/cgroup.ts';
import { cgroupAt, type CgroupRoot } from '../../cgroups/hierarchy.ts';
import { sum } from '../admission/ledger.ts';
import type { ProcessIdentity } from '../domain/incarnation.ts';
import { DomctlError, isErrno, messageOf } from '../errors.ts';
import { isSameProcess, readProcess } from '../host/processes.ts';
import type { Log } from '../log.ts';
import { combine, known, type Reading, unknown } from '../reading.ts';
import { freshName } from './durable.ts';
import { reach } from './fault-points.ts';

/** What one incarnation may grow to; its cgroup is a path below the cgroup2 mount, null while it is only considered. */
export interface HostPromise {
  readonly cgroup: string | null;
  readonly domain: string;
  readonly promisedBytes: number;
}

/** Another daemon, by its cgroup root, and what it promised beyond what its domains hold; bytes. */
export interface Neighbour {
  readonly root: string;
  readonly untouchedBytes: number;
}

const fileSchema = z.object({
  root: z.string(),
  daemon: z.object({ pid: z.number(), startTicks: z.number() }),
  promises: z.array(z.object({ cgroup: z.string().nullable(), domain: z.string(), promisedBytes: z.number() })),
});

type PromiseFile = z.infer<typeof fileSchema>;

/** Where promises are written, and where else they are read; of this boot only, for they are of living processes. */
export interface PromisePlaces {
  readonly own: string;
  readonly others: readonly string[];
}

export class Neighbours {
  readonly #places: PromisePlaces;
  readonly #root: CgroupRoot;
  readonly #log: Log;
  readonly #live: () => readonly HostPromise[];
  readonly #daemon: ProcessIdentity;
  readonly #writing = new Mutex();
  #intended: HostPromise | null = null;
  /** null: whatever a daemon before this one left there, or a write that failed. */
  #written: string | null = null;
  #hasWarned = false;

  /** `live`: what this daemon has promised at the moment it is asked. */
  constructor(options: { places: PromisePlaces; root: CgroupRoot; log: Log; live: () => readonly HostPromise[] }) {
    this.#places = options.places;
    this.#root = options.root;
    this.#log = options.log;
    this.#live = options.live;
    this.#daemon = ownIdentity();
  }

  /** Decides while `promise` is written down as if it were made; one at a time. */
  async considering<T>(promise: Omit<HostPromise, 'cgroup'>, decide: () => Promise<T>): Promise<T> {
    this.#intended = { ...promise, cgroup: null };
    try {
      await this.refresh();
      reach('promise told');
      return await decide();
    } finally {
      this.#intended = null;
      await this.refresh();
    }
  }

  /** Writes down what is promised now. Never throws: a host where it cannot be written has one daemon, as far as we can tell. */
  async refresh(): Promise<void> {
    await this.#writing.runExclusive(async () => {
      try {
        await this.#write([...this.#live(), ...(this.#intended ? [this.#intended] : [])]);
      } catch (error) {
        if (!this.#hasWarned) this.#log.warn({ err: error }, 'other daemons of this host are not told of promises');
        this.#hasWarned = true;
        this.#written = null;
      }
    });
  }

  /** Every other daemon that has promised something. Unknown when a file cannot be understood. */
  async read(): Promise<Reading<readonly Neighbour[]>> {
    const files = await Promise.all([this.#places.own, ...this.#places.others].map(listFiles));
    const others = files.flat().filter((path) => path !== this.#file);
    const readings = await Promise.all(others.map(async (path) => this.#readOne(path)));
    return combine(readings, (neighbours) => neighbours.filter(({ untouchedBytes }) => untouchedBytes > 0));
  }

  get #file(): string {
    return fileOf(this.#places.own, this.#root.path);
  }

  async #write(promises: readonly HostPromise[]): Promise<void> {
    const file: PromiseFile = { root: this.#root.path, daemon: this.#daemon, promises: [...promises] };
    const text = promises.length === 0 ? '' : `${JSON.stringify(file)}\n`;
    if (text === this.#written) return;
    if (text === '') await removeFile(this.#file);
    else await replaceFile(this.#file, text);
    this.#written = text;
    this.#hasWarned = false;
  }

  async #readOne(path: string): Promise<Reading<Neighbour>> {
    try {
      const file = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')));
      const standing = this.#standing(file);
      // Its daemon was killed, and so were its machines: nobody else will.
      if (standing.length === 0 && !isSameProcess(file.daemon)) await removeFile(path).catch(() => undefined);
      return known({ root: file.root, untouchedBytes: sum(standing) });
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return known({ root: path, untouchedBytes: 0 });
      return unknown(`${path}: ${messageOf(error)}`);
    }
  }

  /** Of each promise that stands what is not touched. A dead daemon's stand for as long as there are processes under them. */
  #standing({ daemon, promises }: PromiseFile): number[] {
    const isUp = isSameProcess(daemon);
    return promises
      .map(({ promisedBytes, cgroup: path }) => ({
        promisedBytes,
        cgroup: path === null ? null : cgroupAt(this.#root.hierarchy, path),
      }))
      .filter(({ cgroup }) => isUp || (cgroup !== null && isInhabited(cgroup)))
      .map(({ promisedBytes, cgroup }) => Math.max(0, promisedBytes - (cgroup === null ? 0 : heldIn(cgroup))));
  }
}

function ownIdentity(): ProcessIdentity {
  const own = readProcess(process.pid);
  if (own === null)
    throw new DomctlError('HOST_LACKS', '/proc does not show this process', {
      hint: 'mount it: mount -t proc proc /proc',
    });
  return own.identity;
}

function isInhabited(cgroup: Cgroup): boolean {
  const exists = cgroup.exists();
  if (exists.known && !exists.value) return false;
  const populated = cgroup.populated();
  return !populated.known || populated.value;
}

/** Without huge pages, which are no part of a promise. What cannot be read counts twice, as promised and as foreign: that is safe. */
function heldIn(cgroup: Cgroup): number {
  const memory = cgroup.memory();
  return memory.known ? memory.value.heldBytes - memory.value.hugetlbBytes : 0;
}

function fileOf(directory: string, root: string): string {
  return join(directory, `${encodeURIComponent(root)}.json`);
}

async function listFiles(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.json')).map((name) => join(directory, name));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  await writeFile(freshName(path), text, { mode: 0o644 });
  await rename(freshName(path), path);
}

/** And the directory with the last of them; one in which nothing of ours was is not ours to remove. */
async function removeFile(path: string): Promise<void> {
  const removed = await Promise.all([path, freshName(path)].map(isRemoved));
  if (!removed.includes(true)) return;
  await rmdir(dirname(path)).catch((error: unknown) => {
    if (!isErrno(error, 'ENOTEMPTY', 'ENOENT')) throw error;
  });
}

async function isRemoved(path: string): Promise<boolean> {
  return unlink(path).then(
    () => true,
    (error: unknown) => {
      if (isErrno(error, 'ENOENT')) return false;
      throw error;
    },
  );
}
