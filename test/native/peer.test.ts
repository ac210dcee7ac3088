/** peerCredentials: the kernel's word about the other end of a local socket. */
import { once } from 'node:events';
import { chmodSync, constants } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { peerCredentials } from '../../native/index.ts';
import { afterwards, caught, closedFd, describeAsRoot, opened, scratch, start } from './support.ts';

/** Node keeps the descriptor of a socket to itself; this is where. */
function fdOf(socket: Socket | Server): number {
  return (socket as unknown as { _handle: { fd: number } })._handle.fd;
}

async function listening(...where: [string] | [number, string]): Promise<Server> {
  const server = createServer();
  server.listen(...(where as [string]));
  await once(server, 'listening');
  afterwards(() => server.close());
  return server;
}

async function accepted(server: Server): Promise<Socket> {
  const [socket] = (await once(server, 'connection')) as [Socket];
  afterwards(() => socket.destroy());
  return socket;
}

describe('peerCredentials', () => {
  it('names the process that connected', async () => {
    const path = join(scratch(), 'socket');
    const server = await listening(path);
    const client = connect(path);
    afterwards(() => client.destroy());
    const peer = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };
    expect(peerCredentials(fdOf(await accepted(server)))).toEqual(peer);
  });

  it('takes no listener, no TCP connection and no other file for a peer', async () => {
    const local = await listening(join(scratch(), 'socket'));
    expect(caught(() => peerCredentials(fdOf(local)))).toMatchObject({ name: 'KernelError', code: 'ENOTCONN' });
    const server = await listening(0, '127.0.0.1');
    const client = connect((server.address() as { port: number }).port, '127.0.0.1');
    afterwards(() => client.destroy());
    const tcp = await accepted(server);
    expect(caught(() => peerCredentials(fdOf(tcp)))).toMatchObject({ code: 'ENOTCONN' });
    expect(caught(() => peerCredentials(opened('/dev/null', constants.O_RDWR)))).toMatchObject({
      code: 'ENOTSOCK',
      syscall: 'getsockopt SO_PEERCRED',
      path: '/dev/null',
    });
    expect(caught(() => peerCredentials(closedFd))).toMatchObject({ code: 'EBADF' });
  });
});

describeAsRoot('peerCredentials of another user', () => {
  it('are those of the process that connected', async () => {
    const directory = scratch();
    const path = join(directory, 'socket');
    const server = await listening(path);
    chmodSync(path, 0o666);
    const script = 'import socket, sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)';
    const credentials = { uid: 65534, gid: 65533, groups: [] };
    const child = start({
      argv: ['/usr/bin/env', 'python3', '-c', script, path],
      env: process.env as never,
      credentials,
    });
    expect(peerCredentials(fdOf(await accepted(server)))).toEqual({ pid: child.pid, uid: 65534, gid: 65533 });
  });
});
