/**
 * One cgroup of ours: made, read, emptied, removed. On hybrid hosts it has a twin directory in the v1 memory mount that
 * is made and removed with it. A directory that exists already is never adopted: on some kernels a child born into a
 * cgroup that ever saw `cgroup.kill` is killed at birth (test/kernel/cgroup.test.ts).
 */
import { constants, existsSync, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import { isErrno, messageOf } from '../lib/errors.ts';
import { known, type Reading, unknown } from '../lib/reading.ts';
import { listCgroup, makeCgroup, readCgroupFile, removeCgroup, writeCgroupFile } from './files.ts';
import { type Limit, type Limits, limitTexts, unthrottled } from './limits.ts';
import { type MemoryCharge, type MemoryFiles, memoryReading, twinMemory, unifiedMemory } from './memory.ts';
import {
  type CpuUsage,
  parseCpuStat,
  parseFlatKeyed,
  parsePressure,
  parseProcs,
  parseWords,
  requireKey,
} from './parse.ts';
import { addThread, makeThreadGroup, threadGroupsOf, threadsIn, writeLimits } from './threads.ts';

/** Descriptors a child is born with; close them with `close` after the spawn, whether it worked or not. */
export interface BirthPlace {
  readonly cgroupFd: number;
  readonly joinFds: readonly number[];
  close(): Promise<void>;
}

export class Cgroup {
  /** Path below the mount, as in /proc/PID/cgroup. */
  readonly path: string;
  readonly directory: string;
  /** The v1 memory directory of the same path; null on unified hosts. */
  readonly twinDirectory: string | null;
  readonly #memory: MemoryFiles;

  constructor(place: { path: string; directory: string; twinDirectory: string | null }) {
    this.path = place.path;
    this.directory = place.directory;
    this.twinDirectory = place.twinDirectory;
    this.#memory = place.twinDirectory
      ? twinMemory(place.twinDirectory, place.directory)
      : unifiedMemory(place.directory);
  }

  /**
   * Makes the directory (and its twin), which must not exist yet. Where memory is cgroup v2's, the OOM killer takes all of
   * it or nothing: a hypervisor without its companions is no machine, nor they without it. Throws KernelError.
   */
  async create(): Promise<void> {
    await makeCgroup(this.directory);
    if (!this.twinDirectory) return this.#endTogether();
    try {
      await makeCgroup(this.twinDirectory);
    } catch (error) {
      await removeCgroup(this.directory);
      throw error;
    }
  }

  /** Without the memory controller there is no such file. */
  async #endTogether(): Promise<void> {
    await writeCgroupFile(`${this.directory}/memory.oom.group`, '1').catch((error: unknown) => {
      if (!isErrno(error, 'ENOENT')) throw error;
    });
  }

  exists(): Reading<boolean> {
    try {
      readCgroupFile(`${this.directory}/cgroup.events`);
      return known(true);
    } catch (error) {
      return isErrno(error, 'ENOENT', 'ENODEV') ? known(false) : unknown(String(error));
    }
  }

  /** Open descriptors for `native.spawn`: the kernel checks the opener's right to the v1 file, so the parent opens it. */
  async openBirthPlace(): Promise<BirthPlace> {
    const directory = await open(this.directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const twin = this.twinDirectory ? await open(`${this.twinDirectory}/cgroup.procs`, constants.O_WRONLY) : null;
      return {
        cgroupFd: directory.fd,
        joinFds: twin ? [twin.fd] : [],
        close: async () => {
          await directory.close();
          await twin?.close();
        },
      };
    } catch (error) {
      await directory.close();
      throw error;
    }
  }

  /** False only when the kernel says that no process is left; `cgroup.procs` may be empty before that. */
  populated(): Reading<boolean> {
    try {
      const events = parseFlatKeyed(readCgroupFile(`${this.directory}/cgroup.events`));
      return known(requireKey(events, 'populated') !== 0);
    } catch (error) {
      return unknown(messageOf(error));
    }
  }

  /** Process ids inside, for naming them; an empty list proves nothing (a dying threaded process is not listed). */
  processes(): number[] {
    return parseProcs(readCgroupFile(`${this.directory}/cgroup.procs`));
  }

  memory(): Reading<MemoryCharge> {
    return memoryReading(this.#memory);
  }

  /** Whether anything can be charged to it: on a hybrid host the directory for that is another one, made after it. */
  hasMemory(): boolean {
    return existsSync(this.memoryDirectory);
  }

  /** Names of the cgroups below, of the directory and of its twin: a removal cut short may leave one without the other. */
  children(): string[] {
    const directories = [this.directory, ...(this.twinDirectory ? [this.twinDirectory] : [])];
    return [...new Set(directories.flatMap(listUnlessGone))];
  }

  /** PSI memory `some avg10` of this cgroup, percent; unknown where the kernel does not keep it. */
  memoryPressure(): Reading<number> {
    try {
      return known(parsePressure(readCgroupFile(`${this.directory}/memory.pressure`)));
    } catch (error) {
      return unknown(messageOf(error));
    }
  }

  /** Processor time of all that ever ran inside; kept with and without the cpu controller. */
  cpu(): Reading<CpuUsage> {
    try {
      return known(parseCpuStat(readCgroupFile(`${this.directory}/cpu.stat`)));
    } catch (error) {
      return unknown(messageOf(error));
    }
  }

  /** Controllers whose files it has. */
  controllers(): string[] {
    return parseWords(readCgroupFile(`${this.directory}/cgroup.controllers`));
  }

  /** Holds it to `limits`; returns those that the kernel has no file for. Throws KernelError for one it refuses. */
  async limit(limits: Limits): Promise<Limit[]> {
    return writeLimits(this.directory, limitTexts(limits));
  }

  /** The same for threads of its processes, which move to the threaded child `name`; what is lacking is returned, too. */
  async limitThreads(name: string, threadIds: readonly number[], limits: Limits): Promise<Limit[]> {
    const directory = await makeThreadGroup(this.directory, name);
    for (const threadId of threadIds) await addThread(directory, threadId);
    return writeLimits(directory, limitTexts(limits));
  }

  /** Where memory is charged: files that a guard of it reads. */
  get memoryDirectory(): string {
    return this.twinDirectory ?? this.directory;
  }

  /**
   * Directories whose `cgroup.freeze` holds these threads and no others: the threaded children they are in; those that are in
   * none are moved to `name`.
   */
  async freezersOf(name: string, threadIds: readonly number[]): Promise<string[]> {
    const groups = threadGroupsOf(this.directory).filter((group) =>
      threadsIn(group).some((thread) => threadIds.includes(thread)),
    );
    const sorted = new Set(groups.flatMap(threadsIn));
    const loose = threadIds.filter((thread) => !sorted.has(thread));
    if (loose.length === 0) return groups;
    const group = await makeThreadGroup(this.directory, name);
    for (const thread of loose) await addThread(group, thread);
    return [...groups.filter((other) => other !== group), group];
  }

  /** A file that only its owner can open, and that goes with it: for a lock. */
  get lockFile(): string {
    return `${this.directory}/cgroup.kill`;
  }

  /** Threads that are in no threaded child. */
  looseThreads(): number[] {
    return threadsIn(this.directory);
  }

  /** Takes every bandwidth limit away, of threads too: what is left to do is to end. One that is gone needs none. */
  async unthrottle(): Promise<void> {
    try {
      for (const directory of [this.directory, ...threadGroupsOf(this.directory)])
        await writeLimits(directory, limitTexts(unthrottled));
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENODEV')) throw error;
    }
  }

  /** Lets all its threads run, whoever froze them. One that is gone needs it not. */
  async thaw(): Promise<void> {
    try {
      for (const directory of [this.directory, ...threadGroupsOf(this.directory)])
        await writeCgroupFile(`${directory}/cgroup.freeze`, '0');
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENODEV')) throw error;
    }
  }

  /** SIGKILL to everything inside: the last rung. The directory must never be used for a birth again. */
  async kill(): Promise<void> {
    await writeCgroupFile(`${this.directory}/cgroup.kill`, '1');
  }

  async reclaim(): Promise<void> {
    await this.#memory.reclaim();
  }

  /**
   * Removes the directory and its threaded children, then the twin; EBUSY while a process is inside. Charges left would
   * move to the parent.
   * In this order a removal cut short reads as a directory that is gone, never as one without figures.
   */
  async remove(): Promise<void> {
    await this.#removeThreadGroups();
    await removeCgroup(this.directory);
    if (this.twinDirectory) await removeCgroup(this.twinDirectory);
  }

  async #removeThreadGroups(): Promise<void> {
    try {
      for (const directory of threadGroupsOf(this.directory)) await removeCgroup(directory);
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENODEV')) throw error;
    }
  }

  /** Removes it unless something is in it, a process or a child. */
  async removeIfEmpty(): Promise<void> {
    await this.remove().catch((error: unknown) => {
      if (!isErrno(error, 'EBUSY', 'ENOTEMPTY')) throw error;
    });
  }

  /** Calls back at each change of cgroup.events: a hint, to read again. Returns stop(). */
  watchEvents(onHint: () => void): () => void {
    const watcher = watch(`${this.directory}/cgroup.events`, { persistent: false }, onHint);
    watcher.on('error', onHint);
    return () => {
      watcher.close();
    };
  }
}

function listUnlessGone(directory: string): string[] {
  try {
    return listCgroup(directory).directories;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
