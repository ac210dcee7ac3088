/** Signals to processes known by pid and start time, so that none reaches another one that has the pid now. */
import { closeFd, pidfdOpen, pidfdSignal } from '../../native/index.ts';
import type { ProcessIdentity } from '../domain/incarnation.ts';
import { isErrno } from '../errors.ts';
import { isSameProcess } from '../host/processes.ts';

/** A process that has ended is not missed. */
export function signalUnlessGone(pidfd: number, signal: number): void {
  try {
    pidfdSignal(pidfd, signal);
  } catch (error) {
    if (!isErrno(error, 'ESRCH')) throw error;
  }
}

/** Opens a pidfd on the very process, or null: between open and check the pid cannot change hands unnoticed. */
export function openProcess(identity: ProcessIdentity): number | null {
  let pidfd: number;
  try {
    pidfd = pidfdOpen(identity.pid);
  } catch (error) {
    // EINVAL: older kernels (6.12) say so of a number that lives on only as the group and session of its orphans, here of
    // QEMU's helper; newer ones (6.18) say ESRCH.
    if (isErrno(error, 'ESRCH', 'EINVAL')) return null;
    throw error;
  }
  if (isSameProcess(identity)) return pidfd;
  closeFd(pidfd);
  return null;
}
