/**
 * Threads of a cgroup's processes, sorted into threaded children of it: only CPU time and CPU sets are divided there, memory
 * and all else stay with the cgroup itself. Its processes stay its processes: `cgroup.procs`, `cgroup.events` and
 * `cgroup.kill` of the cgroup count them in, those of a child are not to be asked (test/kernel/limits.test.ts).
 */
import { isErrno } from '../lib/errors.ts';
import { listCgroup, makeCgroup, readCgroupFile, writeCgroupFile } from './files.ts';
import type { Limit } from './limits.ts';
import { parseProcs, parseWords } from './parse.ts';

const threadControllers = ['cpu', 'cpuset'] as const;

/**
 * The threaded child `name` of the cgroup in `parent`, made unless it is there. What the parent has of cpu and cpuset is
 * handed down to it. Throws KernelError.
 */
export async function makeThreadGroup(parent: string, name: string): Promise<string> {
  const directory = `${parent}/${name}`;
  await makeCgroup(directory).catch((error: unknown) => {
    if (!isErrno(error, 'EEXIST')) throw error;
  });
  if (!isThreaded(directory)) await writeCgroupFile(`${directory}/cgroup.type`, 'threaded');
  const offered = parseWords(readCgroupFile(`${parent}/cgroup.controllers`));
  const enabled = parseWords(readCgroupFile(`${parent}/cgroup.subtree_control`));
  const missing = threadControllers.filter((word) => offered.includes(word) && !enabled.includes(word));
  for (const word of missing) await writeCgroupFile(`${parent}/cgroup.subtree_control`, `+${word}`);
  return directory;
}

/** Moves a thread there; one that has ended is not missed. */
export async function addThread(directory: string, threadId: number): Promise<void> {
  await writeCgroupFile(`${directory}/cgroup.threads`, String(threadId)).catch((error: unknown) => {
    if (!isErrno(error, 'ESRCH')) throw error;
  });
}

/** Threads in the cgroup itself, those of its children not among them. */
export function threadsIn(directory: string): number[] {
  return parseProcs(readCgroupFile(`${directory}/cgroup.threads`));
}

/** Directories of the threaded children; a child that is a domain of its own is not one. */
export function threadGroupsOf(parent: string): string[] {
  return listCgroup(parent)
    .directories.map((name) => `${parent}/${name}`)
    .filter(isThreaded);
}

/** Writes each limit to the files of it that are there; returns those that none was there for. Throws KernelError. */
export async function writeLimits(directory: string, limits: readonly Limit[]): Promise<Limit[]> {
  const { files } = listCgroup(directory);
  const lacking: Limit[] = [];
  for (const limit of limits) {
    const writes = limit.writes.filter(({ file }) => files.includes(file));
    if (writes.length === 0) lacking.push(limit);
    for (const { file, text } of writes) await writeCgroupFile(`${directory}/${file}`, text);
  }
  return lacking;
}

function isThreaded(directory: string): boolean {
  return readCgroupFile(`${directory}/cgroup.type`).trim() === 'threaded';
}
