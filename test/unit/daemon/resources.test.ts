/** Which resources a definition wants, and which are free: claims, ports, taps. Sockets are real ones of our own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import {
  chooseCid,
  choosePorts,
  claimPorts,
  claimResources,
  findTaken,
  isTaken,
  requireUnprivilegedPorts,
} from '../../../lib/daemon/resources.ts';
import type { ClaimHolder, PortClaim } from '../../../lib/domain/claims.ts';
import { describeClaim } from '../../../lib/domain/claims.ts';
import type { Interface } from '../../../lib/domain/devices.ts';
import { plainVirtio } from '../../../lib/domain/virtio.ts';
import { ensureStore } from '../../../lib/host/stores.ts';
import { claimMadeTaps, claimNamedTaps } from '../../../lib/host/taps.ts';
import { serial } from '../../fixtures/qmp/domains.ts';
import { vnc } from '../../fixtures/qmp/screens.ts';
import { card, machine } from './machine.ts';

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (let action = undo.pop(); action; action = undo.pop()) await action();
});

function tcp(port: number, address: string | null = '127.0.0.1'): PortClaim {
  return { kind: 'port', protocol: 'tcp', address, port, mode: 'exclusive' };
}

function holding(...claims: PortClaim[]): ClaimHolder[] {
  return [{ domain: 'other', incarnation: 1, claims }];
}

async function listeningPort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(async () => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

const listener = {
  type: 'tcp',
  mode: 'bind',
  host: '127.0.0.1',
  port: 4555,
  telnet: true,
  reconnectSeconds: null,
} as const;

const place = { address: '192.0.2.1', port: 5559, local: null };

/** A client's port is the kernel's choice, and many listen to a multicast group. */
const sockets: readonly Interface[] = [
  { ...card, type: 'server', socket: { ...place, address: null, port: 5558 } },
  { ...card, type: 'client', socket: place },
  { ...card, type: 'mcast', socket: { ...place, address: '230.0.0.1' } },
  { ...card, type: 'udp', socket: { ...place, local: { address: '127.0.0.1', port: 5561 } } },
];
describe('the number of a vsock', () => {
  const vsock = { model: 'virtio', cid: null, virtio: plainVirtio, address: null } as const;

  test('is the lowest that no guest of ours has', () => {
    const cid = (number: number): ClaimHolder => {
      return { domain: 'other', incarnation: 1, claims: [{ kind: 'cid', cid: number, mode: 'exclusive' }] };
    };
    expect(chooseCid(machine({ vsock }), [])).toEqual({ kind: 'cid', cid: 3, mode: 'exclusive' });
    expect(chooseCid(machine({ vsock }), [cid(3), cid(5)])?.cid).toBe(4);
  });

  test('is not chosen where the definition has it', async () => {
    const domain = machine({ vsock: { ...vsock, cid: 7 } });
    expect(chooseCid(domain, [])).toBeNull();
    expect(await claimResources(domain, null)).toEqual([{ kind: 'cid', cid: 7, mode: 'exclusive' }]);
    expect(chooseCid(machine({}), [])).toBeNull();
  });
});

test('a device of the host is taken by whoever has its node open', async () => {
  await using file = await open('/dev/null', 'r+');
  const { rdev } = await file.stat();
  const child = spawn('sleep', ['60'], { stdio: ['ignore', file.fd, 'ignore'] });
  undo.push(async () => child.kill());
  const claim = { kind: 'character', node: '/dev/null', use: 'nothing', mode: 'exclusive' } as const;
  expect(await isTaken({ ...claim, device: rdev })).toBe(true);
  expect(await isTaken({ ...claim, device: rdev + 4711 })).toBe(false);
});

test('a store of errors is made at the first start, and kept', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'domctl-store-'));
  undo.push(async () => rm(directory, { recursive: true }));
  const pstore = { path: path.join(directory, 'errors'), sizeBytes: 8192, address: null };
  await ensureStore(pstore, null);
  await writeFile(pstore.path, 'oops', { flag: 'r+' });
  await ensureStore({ ...pstore, sizeBytes: 16_384 }, null);
  expect((await readFile(pstore.path)).subarray(0, 5).toString()).toBe('oops\0');
  expect((await stat(pstore.path)).size).toBe(8192);
  const [claim] = await claimResources(machine({ pstore }), null);
  expect(claim).toMatchObject({ kind: 'store', path: pstore.path });
  expect(await isTaken(claim!)).toBe(false);
  await expect(ensureStore({ ...pstore, path: path.join(directory, 'a/b') }, null)).rejects.toThrow('cannot be made');
});

describe('claims on ports', () => {
  test('are of VNC, of forwarding, and of character devices that listen', () => {
    const forward = { protocol: 'udp', address: null, hostPort: 5353, guestPort: 53 } as const;
    const domain = machine({
      graphics: [{ ...vnc, port: 5907 }, vnc, { ...vnc, reach: 'socket', socket: '/run/vnc' }],
      interfaces: [{ ...card, type: 'user', portForwards: [forward] }, ...sockets],
      serials: [
        serial(listener),
        serial({ ...listener, mode: 'connect', port: 4556 }, 1),
        serial({ type: 'udp', host: null, port: 9, bindHost: '::1', bindPort: 4558 }, 2),
      ],
      consoles: [
        { kind: 'serial', backend: listener, log: null, port: 0, address: null },
        { kind: 'virtio', backend: { ...listener, port: 4557 }, log: null, port: 1, address: null },
      ],
    });
    expect(claimPorts(domain).map(describeClaim)).toEqual([
      'tcp port 127.0.0.1:5907',
      'udp port 5353',
      'tcp port 5558',
      'udp port 127.0.0.1:5561',
      'tcp port 127.0.0.1:4555',
      'udp port [::1]:4558',
      'tcp port 127.0.0.1:4557',
    ]);
  });

  test('below those that everybody may listen on are for root', () => {
    expect(() => {
      requireUnprivilegedPorts([tcp(5900), tcp(80)], false);
    }).toThrow(/^tcp port 127\.0\.0\.1:80 is for root alone/);
    requireUnprivilegedPorts([tcp(80)], true);
    requireUnprivilegedPorts([tcp(5900)], false);
  });
});

describe('ports chosen at start', () => {
  test('are the first that nobody claims or listens on, a different one for each', async () => {
    const domain = machine({ graphics: [vnc, { ...vnc, port: 5901 }, vnc] });
    const { vncPorts, claims } = await choosePorts(domain, claimPorts(domain), holding(tcp(5900)));
    const [first = 0, second = 0] = [vncPorts.get(0), vncPorts.get(2)];
    expect(first).toBeGreaterThanOrEqual(5902);
    expect(second).toBeGreaterThan(first);
    expect(claims).toEqual([tcp(first), tcp(second)]);
  });

  test('are none where every server has one, or a socket', async () => {
    const domain = machine({
      graphics: [
        { ...vnc, port: 5900 },
        { ...vnc, reach: 'socket', socket: '/run/vnc' },
      ],
    });
    expect(await choosePorts(domain, [], [])).toEqual({ vncPorts: new Map(), claims: [] });
  });

  test('cannot be on an address that is not of this host', async () => {
    const domain = machine({ graphics: [{ ...vnc, listen: '192.0.2.1' }] });
    await expect(choosePorts(domain, [], [])).rejects.toMatchObject({
      code: 'HOST_LACKS',
      message: 'nobody can listen on tcp port 192.0.2.1:5900 here',
    });
  });
});

describe('what somebody has', () => {
  test('is found, and is theirs no more when they let go', async () => {
    const port = await listeningPort();
    expect(await findTaken([tcp(port)])).toEqual([{ claim: tcp(port), holder: null }]);
    await undo.pop()?.();
    expect([await findTaken([tcp(port)]), await isTaken(tcp(port))]).toEqual([[], false]);
  });

  test('is an interface of the name that a tap of ours shall have', async () => {
    const [claim] = claimNamedTaps([{ ...card, tap: 'lo' }]);
    expect([claim?.name, claim && (await isTaken(claim))]).toEqual(['lo', true]);
    const [made] = claimMadeTaps([{ ...card, type: 'user' }, card], 99_999_999);
    expect([made?.name, made && (await isTaken(made))]).toEqual(['dctl99999999-1', false]);
  });
});
