import { once } from 'node:events';
import { symlink } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { GuestAgent } from '../../../lib/qemu/agent.ts';
import { freshPath } from '../../fixtures/qmp/client.ts';

interface Request {
  readonly execute: string;
  readonly arguments?: { readonly id?: number; readonly mode?: string };
}

type Answering = (request: Request, socket: Socket) => void;

/** An agent on a real socket; `requests` is what it was asked, `bytes` what it was sent. */
interface Agent {
  readonly path: string;
  readonly requests: Request[];
  bytes(): Buffer;
}

async function serveAgent(answer: Answering, greeting = ''): Promise<Agent> {
  const path = await freshPath();
  const requests: Request[] = [];
  let bytes = Buffer.alloc(0);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.write(Buffer.from(greeting, 'latin1'));
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const text = Buffer.from(chunk.filter((byte) => byte !== 0xff)).toString();
      for (const line of text.split('\n').filter((each) => each !== '')) {
        const request = JSON.parse(line) as Request;
        requests.push(request);
        answer(request, socket);
      }
    });
  });
  server.listen(path);
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { path, requests, bytes: () => bytes };
}

function say(socket: Socket, message: object, delimited = false): void {
  if (delimited) socket.write(Buffer.of(0xff));
  socket.write(`${JSON.stringify(message)}\n`);
}

/** As the real one: a shutdown that succeeds is never answered. */
const usual: Answering = ({ execute, arguments: args }, socket) => {
  if (execute === 'guest-sync-delimited') say(socket, { return: args?.id }, true);
  else if (execute === 'guest-sync') say(socket, { return: args?.id });
  else if (execute === 'guest-ping') say(socket, { return: {} });
};

const hurry = { deadlineMs: 2000 };

async function connect(path: string, deadlineMs = hurry.deadlineMs): Promise<GuestAgent> {
  const agent = await GuestAgent.connect(path, { deadlineMs });
  onTestFinished(() => agent.close());
  return agent;
}

describe('a guest agent', () => {
  test('is not looked for behind a link', async () => {
    const server = await serveAgent(usual);
    await symlink(server.path, `${server.path}-link`);
    await expect(connect(`${server.path}-link`)).rejects.toMatchObject({ kind: 'absent' });
    expect(server.bytes()).toHaveLength(0);
  });

  test('is in step after a delimiter and its own number', async () => {
    const server = await serveAgent(usual);
    await (await connect(server.path)).ping();
    expect(server.bytes()[0]).toBe(0xff);
    expect(server.requests.map(({ execute }) => execute)).toEqual(['guest-sync-delimited', 'guest-ping']);
  });

  test.each([
    ['half an answer without a delimiter', '{"return": {"half'],
    ['an answer to an earlier client', '\xff{"return": 1}\n'],
    ['a complaint about the delimiter', '\xff{"error": {"class": "GenericError", "desc": "Invalid JSON"}}\n'],
  ])('is heard behind %s', async (_what, greeting) => {
    const server = await serveAgent(usual, greeting);
    await expect((await connect(server.path)).ping()).resolves.toBeUndefined();
  });

  test.each(['powerdown', 'reboot'] as const)('is asked for %s, and its silence is assent', async (mode) => {
    const server = await serveAgent(usual);
    await (await connect(server.path)).shutdown(mode);
    expect(server.requests[1]).toEqual({ execute: 'guest-shutdown', arguments: { mode } });
  });

  test('may take the guest down before it says anything', async () => {
    const server = await serveAgent((request, socket) => {
      if (request.execute === 'guest-shutdown') socket.destroy();
      else usual(request, socket);
    });
    await expect((await connect(server.path)).shutdown('powerdown')).resolves.toBeUndefined();
  });

  test('that refuses says why, and the next shutdown is not taken for done', async () => {
    const server = await serveAgent((request, socket) => {
      if (request.execute === 'guest-shutdown')
        say(socket, { error: { class: 'GenericError', desc: 'it is disabled' } });
      else usual(request, socket);
    });
    const agent = await connect(server.path);
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await expect(agent.shutdown('powerdown')).rejects.toMatchObject({
        kind: 'refused',
        message: 'the guest agent refused: it is disabled',
      });
    }
  });
});

describe('no guest agent', () => {
  test('is absent when nobody listens', async () => {
    await expect(connect(await freshPath())).rejects.toMatchObject({ kind: 'absent' });
  });

  test('is absent when the channel is open and nobody answers', async () => {
    const server = await serveAgent(() => undefined);
    await expect(connect(server.path, 50)).rejects.toMatchObject({ kind: 'absent' });
  });

  test('is absent when the other end goes away', async () => {
    const server = await serveAgent((_request, socket) => socket.destroy());
    await expect(connect(server.path)).rejects.toMatchObject({ kind: 'absent' });
  });

  test('ends every later command as well', async () => {
    const server = await serveAgent((request, socket) => {
      if (request.execute !== 'guest-ping') usual(request, socket);
    });
    const agent = await connect(server.path, 50);
    await expect(agent.ping()).rejects.toMatchObject({ kind: 'absent' });
    await expect(agent.ping()).rejects.toMatchObject({ kind: 'absent' });
  });

  test.each(['\xffhello\n', '\xff[]\n', '\xff{"QMP": {}}\n'])(
    'is a protocol error when it says %j',
    async (greeting) => {
      const server = await serveAgent(() => undefined, greeting);
      await expect(connect(server.path)).rejects.toMatchObject({ kind: 'protocol' });
    },
  );

  test('is given up with the reason of the signal', async () => {
    const server = await serveAgent(() => undefined);
    const controller = new AbortController();
    const connecting = GuestAgent.connect(server.path, { ...hurry, signal: controller.signal });
    controller.abort(new Error('the guest is gone'));
    await expect(connecting).rejects.toThrow('the guest is gone');
  });
});
