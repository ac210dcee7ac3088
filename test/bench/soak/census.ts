/** All that a daemon and its machines have of the host, counted by the kernel's own files: what was there before is there after. */
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { cgroupTree, namesIn, processesIn, processesNaming, zombiesOf } from '../../e2e/facts.ts';
import { patient } from '../../setup/slowness.ts';
import type { Daemon } from '../daemon.ts';
import { quietDescriptorsOf } from '../processes.ts';

/** A daemon with places of its own. */
export type Site = Pick<Daemon, 'client' | 'pid' | 'directory' | 'runtimeDir' | 'cgroupRoot'>;

export interface Census {
  /** Beside the daemon, zombies of its among them. */
  readonly processes: number;
  readonly zombies: number;
  /** Directories of every hierarchy of either version. */
  readonly cgroups: number;
  /** Directories of incarnations. */
  readonly runtimeFiles: number;
  /** Unix sockets below the runtime directory, and whatever sockets the daemon has open. */
  readonly sockets: number;
  /** Of the daemon. */
  readonly descriptors: number;
  readonly pidfds: number;
  /** Domains that are not shut off. */
  readonly live: number;
}

export async function takeCensus(site: Site): Promise<Census> {
  const { client, directory, runtimeDir, cgroupRoot, pid } = site;
  const live = (await client.list()).filter(({ state }) => state !== 'shut off').length;
  const zombies = zombiesOf(pid).length;
  const alive = new Set([...processesNaming(directory), ...processesIn(cgroupRoot)]);
  alive.delete(pid);
  const links = await quietDescriptorsOf(pid);
  const listening = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .filter((line) => line.includes(runtimeDir));
  return {
    processes: alive.size + zombies,
    zombies,
    cgroups: cgroupTree(cgroupRoot).length,
    runtimeFiles: namesIn(`${runtimeDir}/incarnations`).length,
    sockets: listening.length + links.filter((link) => link.startsWith('socket:')).length,
    descriptors: links.length,
    pidfds: links.filter((link) => link.includes('pidfd')).length,
    live,
  };
}

/** What differs when it had half a minute to settle; empty: nothing. Connections and zombies take a moment to go. */
export async function whatIsLeft(site: Site, before: Census): Promise<Partial<Census>> {
  const end = performance.now() + patient(30_000);
  for (;;) {
    const now = await takeCensus(site);
    const keys = Object.keys(before) as (keyof Census)[];
    const differing = keys.filter((key) => now[key] !== before[key]);
    if (differing.length === 0 || performance.now() > end) {
      return Object.fromEntries(differing.map((key) => [key, now[key] - before[key]]));
    }
    await pause(100);
  }
}
