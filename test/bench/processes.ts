/** What a process has of the host, by the kernel's own files. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { unlessGone } from '../../lib/host/processes.ts';
import { statusField } from '../e2e/facts.ts';

/** Bytes of it that are in memory. */
export function residentBytes(pid: number): number {
  return Number.parseInt(statusField(pid, 'VmRSS') ?? '', 10) * 1024;
}

/** Its processor time since its birth, milliseconds, in steps of 10. */
export function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** What its open descriptors lead to. */
export function descriptorsOf(pid: number): string[] {
  const names = readdirSync(`/proc/${pid}/fd`);
  return names.flatMap((name) => unlessGone(() => readlinkSync(`/proc/${pid}/fd/${name}`)) ?? []);
}

/** The same when nothing changes any more: connections go a moment after their answers. Three looks in a row see as many. */
export async function quietDescriptorsOf(pid: number): Promise<string[]> {
  let links = descriptorsOf(pid);
  for (let same = 1; same < 3; ) {
    await pause(10);
    const next = descriptorsOf(pid);
    same = next.length === links.length ? same + 1 : 1;
    links = next;
  }
  return links;
}

/** Those of them that are sockets. */
export async function countSockets(pid: number): Promise<number> {
  return (await quietDescriptorsOf(pid)).filter((link) => link.startsWith('socket:')).length;
}
