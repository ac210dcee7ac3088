/** Sockets between guests and their host, which the kernel's vhost carries. */
import { constants } from 'node:fs';
import { access, open } from 'node:fs/promises';
import { DomctlError } from '../errors.ts';

const vhostDevice = '/dev/vhost-vsock';

/** Throws HOST_LACKS without the device. */
export async function requireVsock(): Promise<void> {
  await access(vhostDevice, constants.R_OK | constants.W_OK).catch((error: unknown) => {
    throw lacksVsock(error);
  });
}

/** Its descriptor, to be given to a hypervisor, which needs no right of its own; nothing where it is not `wanted`. */
export async function openVsock(wanted: boolean): Promise<AsyncDisposable & { readonly fds: readonly number[] }> {
  if (!wanted) return { fds: [], [Symbol.asyncDispose]: async () => undefined };
  const file = await open(vhostDevice, 'r+').catch((error: unknown) => {
    throw lacksVsock(error);
  });
  return { fds: [file.fd], [Symbol.asyncDispose]: async () => file.close() };
}

function lacksVsock(cause: unknown): DomctlError {
  return new DomctlError('HOST_LACKS', `${vhostDevice}, which <vsock> needs, is not there or cannot be opened`, {
    hint: 'load it: modprobe vhost_vsock',
    cause,
  });
}
