/**
 * Socket activation, by sd_listen_fds(3): a service manager that already listens hands its socket over as descriptor 3.
 * Must not know: who the manager is, or what is served.
 */
import { fstatSync } from 'node:fs';
import { DomctlError, isErrno } from '../errors.ts';

/** SD_LISTEN_FDS_START. */
const firstDescriptor = 3;

const variables = ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES'] as const;

/**
 * The listening socket that was handed to this very process, or null. The variables are removed: whoever this process
 * starts was handed nothing. Throws USAGE for more than one descriptor, or one that is no socket.
 */
export function takeInheritedSocket(env: NodeJS.ProcessEnv = process.env, pid: number = process.pid): number | null {
  const { LISTEN_FDS: count, LISTEN_PID: addressee } = env;
  for (const name of variables) Reflect.deleteProperty(env, name);
  if (count === undefined || addressee !== String(pid)) return null;
  if (count !== '1') {
    throw new DomctlError('USAGE', `LISTEN_FDS=${count}: domctld listens on one socket`, {
      hint: 'give domctld.socket one ListenStream=',
    });
  }
  if (isSocket(firstDescriptor)) return firstDescriptor;
  throw new DomctlError('USAGE', `LISTEN_FDS=1, but descriptor ${firstDescriptor} is not a socket`);
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch (error) {
    if (isErrno(error, 'EBADF')) return false;
    throw error;
  }
}
