/**
 * Processes that hypervisors leave behind. They become children of the daemon (it is a subreaper) and, once they have
 * ended, stay as zombies until they are asked after: each keeps a pid, of which the host has only so many.
 */
import { closeFd, pidfdExited, watchPidfd } from '../../native/index.ts';
import { cgroupPrefix } from '../domain/names.ts';
import { cgroupOf, ownChildren, readProcess } from '../host/processes.ts';
import { openProcess } from './signals.ts';
import type { Services } from './supervisor.ts';

/** Whoever is watched has been asked after by then, how much else there may be to do. */
const settleMs = 1000;

/** Asks after them for as long as the daemon lives: soon after any child of it has ended. */
export function keepReaping(services: Services): void {
  let suspects: ReadonlySet<string> = new Set();
  let timer: NodeJS.Timeout | null = null;
  const soon = (): void => {
    timer ??= setTimeout(look, settleMs).unref();
  };
  const look = (): void => {
    timer = null;
    suspects = reapOrphans(services, suspects);
    if (suspects.size > 0) soon();
  };
  process.on('SIGCHLD', soon);
}

/**
 * Reaps the dead of our cgroups that were suspects before: of a hypervisor how it ended is for its supervisor to learn. The
 * others are returned.
 */
function reapOrphans({ root }: Services, suspects: ReadonlySet<string>): ReadonlySet<string> {
  const others = new Set<string>();
  for (const pid of ownChildren()) {
    const facts = readProcess(pid);
    if (!facts?.exiting || !cgroupOf(pid)?.startsWith(root.at(cgroupPrefix).path)) continue;
    const name = `${pid} ${facts.identity.startTicks}`;
    if (suspects.has(name)) reap(openProcess(facts.identity));
    else others.add(name);
  }
  return others;
}

/** One that only its first thread has left lives on, and is looked at again when it ends. */
function reap(pidfd: number | null): void {
  if (pidfd === null) return;
  if (pidfdExited(pidfd)) watchPidfd(pidfd, () => closeFd(pidfd), { unref: true });
  else closeFd(pidfd);
}
