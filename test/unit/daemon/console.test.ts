/** Consoles over real sockets: who may connect, how it ends, and that no byte is lost however slow a side is. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openConsole } from '../../../lib/client/console.ts';
import { isPty, openTarget } from '../../../lib/daemon/console-target.ts';
import { heard, serveConsoles } from '../../fixtures/consoles.ts';

let directory = '';
let guest: Server;
let atGuest: Socket[] = [];
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'domctl-guest-'));
  atGuest = [];
  guest = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    atGuest.push(socket);
  });
  await new Promise<void>((resolve) => guest.listen(join(directory, 'guest'), resolve));
});
afterEach(() => {
  for (const socket of atGuest) socket.destroy();
  guest.close();
  rmSync(directory, { recursive: true });
});

/** The guest's side of the latest connection. */
async function latest(count = 1): Promise<Socket> {
  return vi.waitFor(() => {
    expect(atGuest).toHaveLength(count);
    return atGuest.at(-1)!;
  });
}

const nobody = { qmp: null, pid: process.pid };

async function serve() {
  return serveConsoles(async () => openTarget({ kind: 'unix', path: join(directory, 'guest') }, nobody));
}

async function closed(stream: Duplex): Promise<void> {
  if (!stream.closed) await once(stream, 'close');
}

/** Mebibytes that differ from place to place. */
function* pattern(mebibytes: number): Generator<Buffer> {
  for (let part = 0; part < mebibytes; part += 1) {
    const chunk = Buffer.alloc(2 ** 20);
    for (let at = 0; at < chunk.length; at += 4) chunk.writeUInt32LE(part * 2 ** 18 + at / 4, at);
    yield chunk;
  }
}

function digest(chunks: Iterable<Buffer>): string {
  const hash = createHash('sha256');
  for (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

describe('a console', () => {
  test('carries bytes both ways, and leaves the guest when its caller leaves', async () => {
    const { client } = await serve();
    const { stream, domain, incarnation } = await openConsole(client, 'db1', {});
    expect({ domain, incarnation }).toEqual({ domain: 'db1', incarnation: 7 });
    const inside = await latest();
    const said = heard(stream);
    const typed = heard(inside);
    inside.write('login: ');
    await vi.waitFor(() => expect(said()).toBe('login: '));
    stream.end('root\n');
    await vi.waitFor(() => expect(typed()).toBe('root\n'));
    await closed(stream);
    expect(guest.listening).toBe(true);
  });

  test('loses no byte, and holds back whoever is faster', async () => {
    const { client } = await serve();
    const { stream } = await openConsole(client, 'db1', {});
    const inside = await latest();
    const slow = new PassThrough({ highWaterMark: 1024 });
    const out = createHash('sha256');
    const read = (async () => {
      for await (const chunk of slow) {
        out.update(chunk as Buffer);
        await new Promise(setImmediate);
      }
    })();
    inside.on('error', () => undefined);
    const intoGuest = createHash('sha256');
    let typedBytes = 0;
    inside.on('data', (chunk: Buffer) => {
      intoGuest.update(chunk);
      typedBytes += chunk.length;
    });
    stream.pipe(slow);
    await pipeline(Readable.from(pattern(2)), stream, { end: false });
    await vi.waitFor(() => expect(typedBytes).toBe(2 * 2 ** 20), { timeout: 4000 });
    await pipeline(Readable.from(pattern(2)), inside);
    await read;
    stream.end();
    await closed(stream);
    expect(out.digest('hex')).toBe(digest(pattern(2)));
    expect(intoGuest.digest('hex')).toBe(digest(pattern(2)));
  });

  test('ends with the guest, after the last byte', async () => {
    const { client } = await serve();
    const { stream } = await openConsole(client, 'db1', {});
    const said = heard(stream);
    (await latest()).end('Power down.');
    await once(stream, 'end');
    expect(said()).toBe('Power down.');
    stream.end();
    await closed(stream);
  });

  test('is for one caller; another takes it over by force, and then it is free again', async () => {
    const { client } = await serve();
    const first = await openConsole(client, 'db1', {});
    first.stream.resume();
    await expect(openConsole(client, 'db1', {})).rejects.toMatchObject({ code: 'WRONG_STATE', exit: 4 });
    const port = await openConsole(client, 'db1', { devname: 'serial1' });
    const second = await openConsole(client, 'db1', { force: true });
    await closed(first.stream);
    const said = heard(second.stream);
    (await latest(3)).write('still here');
    await vi.waitFor(() => expect(said()).toBe('still here'));
    second.stream.destroy();
    port.stream.destroy();
    const third = await vi.waitFor(async () => openConsole(client, 'db1', {}));
    third.stream.destroy();
  });

  test('that is not there is refused, and refused ones keep nobody out', async () => {
    const { client } = await serveConsoles(async () =>
      openTarget({ kind: 'unix', path: join(directory, 'nobody') }, nobody),
    );
    await expect(openConsole(client, 'none', {})).rejects.toMatchObject({ code: 'NO_SUCH_DOMAIN' });
    await expect(openConsole(client, 'db1', {})).rejects.toMatchObject({ code: 'FAILED' });
    await expect(openConsole(client, 'db1', {})).rejects.toMatchObject({ code: 'FAILED' });
  });

  test('closes with its server', async () => {
    const served = await serve();
    const { stream } = await openConsole(served.client, 'db1', {});
    stream.resume();
    await served.close();
    await closed(stream);
  });

  test('any other upgrade is refused', async () => {
    const { client } = await serve();
    const headers = { connection: 'Upgrade', upgrade: 'websocket' };
    const sent = request({ socketPath: client.socketPath, path: '/v1/domains/db1/console', method: 'POST', headers });
    sent.end();
    const [response] = (await once(sent, 'response')) as [{ statusCode: number; resume(): void }];
    response.resume();
    expect(response.statusCode).toBe(400);
  });
});

describe('a hypervisor that lies', () => {
  test('about its socket is not followed', async () => {
    const link = join(directory, 'link');
    symlinkSync(join(directory, 'guest'), link);
    await expect(openTarget({ kind: 'unix', path: link }, nobody)).rejects.toThrow('is no socket');
  });

  test('about what a pty is, is found out by the device', async () => {
    const opens = 'import pty,os,sys; _,t=pty.openpty(); print(os.ttyname(t),flush=True); sys.stdin.read()';
    const child = spawn('python3', ['-c', opens], { stdio: ['pipe', 'pipe', 'inherit'] });
    const [terminal] = await once(child.stdout, 'data');
    expect(isPty(statSync(String(terminal).trim()))).toBe(true);
    child.stdin.end();
    for (const path of ['/dev/ptmx', '/dev/null', directory, join(directory, 'guest')])
      expect([path, isPty(statSync(path))]).toEqual([path, false]);
  });

  test.each(['pty:/etc/passwd', 'pty:/dev/pts/../sda', 'pty:/dev/pts/ptmx', 'file', 'unix:/x'])(
    'about its pty is not believed: %s',
    async (filename) => {
      const execute = async () => [{ label: 'charserial0', filename, 'frontend-open': false }];
      const qmp = { execute } as unknown as NonNullable<Parameters<typeof openTarget>[1]['qmp']>;
      await expect(openTarget({ kind: 'pty', chardev: 'charserial0' }, { ...nobody, qmp })).rejects.toThrow('no pty');
    },
  );
});
