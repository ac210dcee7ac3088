/** Ports of the host: whether one could be listened on now, and which sockets are in the way. */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { PortClaim } from '../domain/claims.ts';
import { isErrno } from '../errors.ts';
import { unlessGone } from './processes.ts';

export type Port = Pick<PortClaim, 'protocol' | 'address' | 'port'>;

/**
 * Binds and listens for a moment, as the hypervisor would: connections of the past that linger (TIME_WAIT) are no
 * hindrance. Throws for what is wrong with the address itself (EADDRNOTAVAIL, ENOTFOUND) or with our rights (EACCES).
 */
export async function isPortFree(port: Port): Promise<boolean> {
  try {
    await (port.protocol === 'tcp' ? listenTcp(port) : bindUdp(port));
    return true;
  } catch (error) {
    if (isErrno(error, 'EADDRINUSE')) return false;
    throw error;
  }
}

/** QEMU listens on IPv4 where it is given no address. */
const everyAddress = '0.0.0.0';

async function listenTcp({ address, port }: Port): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address ?? everyAddress, port, exclusive: true }, () => {
      server.close(() => {
        resolve();
      });
    });
  });
}

async function bindUdp({ address, port }: Port): Promise<void> {
  const socket = createSocket(address?.includes(':') ? 'udp6' : 'udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ address: address ?? everyAddress, port, exclusive: true }, () => {
      socket.close(() => {
        resolve();
      });
    });
  });
}

/** Inodes of the sockets that keep others from listening on the port; on which address is not looked at. */
export function socketsOn({ protocol, port }: Port): Set<number> {
  const tables = [protocol, `${protocol}6`].map((name) => unlessGone(() => readFileSync(`/proc/net/${name}`, 'utf8')));
  return new Set(tables.flatMap((text) => parseSockets(text ?? '', protocol === 'tcp')).flatMap(onPort(port)));
}

function onPort(port: number): (socket: Socket) => number[] {
  return (socket) => (socket.port === port ? [socket.inode] : []);
}

interface Socket {
  readonly port: number;
  readonly inode: number;
}

const listening = '0A';

/**
 * Sockets of a table as in /proc/net/tcp (proc(5)): `sl local rem st ... inode`, addresses `HEX:PORT`. Of TCP only those
 * that listen.
 */
export function parseSockets(table: string, listeningOnly: boolean): Socket[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const words = line.trim().split(/\s+/);
      const [local, state, inode] = [words[1], words[3], Number(words[9])];
      const port = Number.parseInt(local?.split(':')[1] ?? '', 16);
      if (!Number.isSafeInteger(port) || !Number.isSafeInteger(inode)) return [];
      return listeningOnly && state !== listening ? [] : [{ port, inode }];
    });
}
