/** Ports on the real kernel, of sockets of our own. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, connect, type Server, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { isPortFree, parseSockets, socketsOn } from '../../../lib/host/ports.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (let action = undo.pop(); action; action = undo.pop()) await action();
});

async function listening(host = '127.0.0.1'): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.end());
  server.listen(0, host);
  await once(server, 'listening');
  undo.push(async () => new Promise((resolve) => server.close(resolve)));
  return { server, port: (server.address() as AddressInfo).port };
}

describe('a TCP port', () => {
  test('is free when nobody listens, and again when they have stopped', async () => {
    const { server, port } = await listening();
    const wanted = { protocol: 'tcp', address: '127.0.0.1', port } as const;
    expect(await isPortFree(wanted)).toBe(false);
    await new Promise((resolve) => server.close(resolve));
    expect(await isPortFree(wanted)).toBe(true);
    expect(await isPortFree(wanted)).toBe(true);
  });

  test('is not free on all addresses while it is taken on one', async () => {
    const { port } = await listening();
    expect(await isPortFree({ protocol: 'tcp', address: null, port })).toBe(false);
    expect(await isPortFree({ protocol: 'tcp', address: '127.0.0.2', port })).toBe(true);
  });

  test('is free while a connection of the past lingers on it', async () => {
    const { server, port } = await listening();
    const client = connect(port, '127.0.0.1');
    // The server ends first: the connection stays in TIME_WAIT on its side.
    await once(client, 'close');
    await new Promise((resolve) => server.close(resolve));
    expect(await isPortFree({ protocol: 'tcp', address: '127.0.0.1', port })).toBe(true);
  });

  test('of an address that is not of this host is an error, never free', async () => {
    const wanted = { protocol: 'tcp', address: '192.0.2.1', port: 5900 } as const;
    await expect(isPortFree(wanted)).rejects.toThrow(/EADDRNOTAVAIL/);
  });

  test('is found among the sockets that listen', async () => {
    const { port } = await listening();
    expect(socketsOn({ protocol: 'tcp', address: null, port }).size).toBe(1);
    expect(socketsOn({ protocol: 'udp', address: null, port }).size).toBe(0);
  });
});

describe('a UDP port', () => {
  test('is free when nobody has it', async () => {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    const wanted = { protocol: 'udp', address: '127.0.0.1', port } as const;
    expect([await isPortFree(wanted), socketsOn(wanted).size]).toEqual([false, 1]);
    await new Promise<void>((resolve) => void socket.close(resolve));
    expect([await isPortFree(wanted), socketsOn(wanted).size]).toEqual([true, 0]);
  });
});

describe('a table of sockets', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:170C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0',
    '   1: 0100007F:170C 0100007F:D0E2 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1',
    '   2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0  0  0 4713 1 0',
    '',
  ].join('\n');

  test('names port and inode of those that listen, or of all', () => {
    expect(parseSockets(table, true)).toEqual([
      { port: 5900, inode: 4711 },
      { port: 80, inode: 4713 },
    ]);
    expect(parseSockets(table, false)).toHaveLength(3);
    expect(parseSockets('', true)).toEqual([]);
  });
});
