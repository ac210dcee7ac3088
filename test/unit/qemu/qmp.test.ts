import { link, symlink, unlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import { balloon, queryBalloon } from '../../../lib/qemu/commands.ts';
import { QmpClient } from '../../../lib/qemu/qmp.ts';
import { type QmpEvent, longestLineBytes } from '../../../lib/qemu/qmp-messages.ts';
import { connect, freshPath, only, serve } from '../../fixtures/qmp/client.ts';
import type { Peer } from '../../fixtures/qmp/server.ts';

const timestamp = { seconds: 1700000000, microseconds: 250_000 };

describe('connecting', () => {
  test('enables out-of-band commands when they are offered', async () => {
    const server = await serve();
    const client = await connect(server.path);
    expect(client.outOfBand).toBe(true);
    expect(only(server).commands[0]).toMatchObject({ execute: 'qmp_capabilities', arguments: { enable: ['oob'] } });
  });

  test('does without out-of-band commands when they are not offered, and refuses them itself', async () => {
    const server = await serve({ connected: (peer) => peer.greet([]) });
    const client = await connect(server.path);
    expect(only(server).commands[0]).toMatchObject({ arguments: { enable: [] } });
    const refused = client.execute('yank', {}, { outOfBand: true });
    await expect(refused).rejects.toMatchObject({ kind: 'refused', class: null });
  });

  test('waits for a socket that does not exist yet', async () => {
    const path = await freshPath();
    const connecting = connect(path);
    await serve({}, path);
    await expect(connecting).resolves.toBeInstanceOf(QmpClient);
  });

  test('waits while nobody listens on a socket that was left behind', async () => {
    const path = await freshPath();
    const first = createServer();
    await new Promise<void>((resolve) => first.listen(`${path}.1`, resolve));
    await link(`${path}.1`, path);
    await new Promise((resolve) => first.close(resolve));
    const connecting = connect(path);
    await unlink(path);
    await serve({}, path);
    await expect(connecting).resolves.toBeInstanceOf(QmpClient);
  });

  test('ends at the deadline when nobody listens', async () => {
    const connecting = connect(await freshPath(), { deadlineMs: 60 });
    await expect(connecting).rejects.toMatchObject({ name: 'QmpError', command: 'connect', kind: 'deadline' });
  });

  test('ends at the deadline when the server never greets, and leaves no connection', async () => {
    const server = await serve({ connected: () => undefined });
    await expect(connect(server.path, { deadlineMs: 60 })).rejects.toMatchObject({ kind: 'deadline' });
    await vi.waitFor(() => expect(only(server).open).toBe(false));
  });

  test('ends with the reason of the signal, before and after the connection stands', async () => {
    const gone = new Error('the process exited');
    const absent = new AbortController();
    const connecting = connect(await freshPath(), { signal: absent.signal });
    absent.abort(gone);
    await expect(connecting).rejects.toBe(gone);
    const silent = new AbortController();
    const server = await serve({ connected: () => silent.abort(gone) });
    await expect(connect(server.path, { signal: silent.signal })).rejects.toBe(gone);
  });

  test('does not try again once connected', async () => {
    const server = await serve({ connected: (peer) => peer.end() });
    await expect(connect(server.path)).rejects.toMatchObject({ command: 'connect', kind: 'closed' });
    expect(server.peers).toHaveLength(1);
  });

  test('fails at once on any other error', async () => {
    const { path } = await serve();
    const connecting = connect(`${path}/below-a-socket`);
    await expect(connecting).rejects.toMatchObject({ kind: 'closed', cause: { code: 'ENOTDIR' } });
  });

  test('fails at once on a link, wherever that leads: who owns the directory is not trusted', async () => {
    const server = await serve();
    await symlink(server.path, `${server.path}-link`);
    await expect(connect(`${server.path}-link`)).rejects.toMatchObject({
      kind: 'closed',
      cause: { message: `${server.path}-link is no socket` },
    });
    expect(server.peers).toHaveLength(0);
  });

  test('fails at once on a path longer than the kernel takes', async () => {
    const connecting = connect(`/${'x'.repeat(107)}`);
    await expect(connecting).rejects.toMatchObject({ command: 'connect', kind: 'closed' });
  });

  test.each(['hello\n', '[]\n', '{"QMP":{}}\n', '{"greeting":1}\n'])('takes %j for no QMP', async (text) => {
    const server = await serve({ connected: (peer) => peer.sendRaw(text) });
    await expect(connect(server.path)).rejects.toMatchObject({ command: 'connect', kind: 'protocol' });
  });
});

describe('a command', () => {
  test('gets its own answer, whatever the order of the answers', async () => {
    const asked: number[] = [];
    const server = await serve({
      command: ({ id }, peer) => {
        asked.push(id);
        if (asked.length === 3) for (const each of asked.toReversed()) peer.send({ return: { id: each }, id: each });
      },
    });
    const client = await connect(server.path);
    const answers = await Promise.all(['a', 'b', 'c'].map((name) => client.execute(name)));
    expect(answers).toEqual(asked.map((id) => ({ id })));
  });

  test('carries its arguments, and goes out of band when asked to', async () => {
    const server = await serve({ command: ({ id }, peer) => peer.send({ return: {}, id }) });
    const client = await connect(server.path);
    await balloon(client, 1024);
    await client.execute('yank', { instances: [] }, { outOfBand: true });
    const [, first, second] = only(server).commands;
    expect(first).toEqual({ execute: 'balloon', arguments: { value: 1024 }, id: expect.any(Number) });
    expect(second).toEqual({ 'exec-oob': 'yank', arguments: { instances: [] }, id: expect.any(Number) });
  });

  test('is understood in pieces of one byte, with text beyond ASCII', async () => {
    const server = await serve({
      command: ({ id }, peer) => void peer.sendInPieces(`${JSON.stringify({ return: 'größer 🐧', id })}\r\n`),
    });
    await expect((await connect(server.path)).execute('a')).resolves.toBe('größer 🐧');
  });

  test('is not disturbed by events around and between answers in one segment', async () => {
    const events: QmpEvent[] = [];
    const stop = { event: 'STOP', timestamp };
    const reset = { event: 'RESET', data: { guest: true }, timestamp };
    const server = await serve({
      command: ({ id }, peer) =>
        void peer.sendRaw([stop, { return: 1, id }, reset].map((each) => `${JSON.stringify(each)}\n`).join('\n')),
    });
    const client = await connect(server.path, { onEvent: (event) => events.push(event) });
    await expect(client.execute('a')).resolves.toBe(1);
    const atMs = 1_700_000_000_250;
    expect(events).toEqual([
      { name: 'STOP', data: {}, atMs },
      { name: 'RESET', data: { guest: true }, atMs },
    ]);
  });

  test('is refused with the class that the server gives', async () => {
    const error = { class: 'DeviceNotActive', desc: 'No balloon device has been activated' };
    const server = await serve({ command: ({ id }, peer) => peer.send({ error, id }) });
    const asked = queryBalloon(await connect(server.path));
    await expect(asked).rejects.toMatchObject({
      command: 'query-balloon',
      kind: 'refused',
      class: 'DeviceNotActive',
      message: 'QMP query-balloon: No balloon device has been activated',
    });
  });

  test('ends at its deadline, and its late answer is dropped', async () => {
    const late: (() => void)[] = [];
    const server = await serve({
      command: ({ id, execute }, peer) => {
        if (execute === 'slow') late.push(() => peer.send({ return: 'late', id }));
        else for (const send of [...late, () => peer.send({ return: 'quick', id })]) send();
      },
    });
    const client = await connect(server.path);
    const slow = client.execute('slow', {}, { deadlineMs: 30 });
    await expect(slow).rejects.toMatchObject({ command: 'slow', kind: 'deadline' });
    await expect(client.execute('quick')).resolves.toBe('quick');
  });

  test('may have a deadline longer than a timer can be', async () => {
    const server = await serve({ command: ({ id }, peer) => peer.send({ return: 1, id }) });
    const client = await connect(server.path, { deadlineMs: Infinity });
    await expect(client.execute('a', {}, { deadlineMs: Infinity })).resolves.toBe(1);
  });
});

describe('the end of a connection', () => {
  test('rejects every pending command, and each that comes after', async () => {
    const server = await serve({ command: ({ execute }, peer) => execute === 'second' && peer.end() });
    const client = await connect(server.path);
    const pending = await Promise.allSettled([client.execute('first'), client.execute('second')]);
    expect(pending.map((each) => each.status === 'rejected' && [each.reason.command, each.reason.kind])).toEqual([
      ['first', 'closed'],
      ['second', 'closed'],
    ]);
    await client.closed;
    await expect(client.execute('third')).rejects.toMatchObject({ command: 'third', kind: 'closed' });
  });

  test('comes from close() as well, once or twice', async () => {
    const client = await connect((await serve()).path);
    const pending = client.execute('a');
    client.close();
    client.close();
    await expect(pending).rejects.toMatchObject({ kind: 'closed' });
    await client.closed;
  });

  test.each(['{"return": {}', 'null', '{"return":{}}', '{"error":{},"id":2}', '{"event":"STOP"}', '\u0000'])(
    'follows the line %j, which is no QMP',
    async (line) => {
      const server = await serve({ command: (_command, peer) => void peer.sendRaw(`${line}\n`) });
      const client = await connect(server.path);
      await expect(client.execute('a')).rejects.toMatchObject({ command: 'a', kind: 'protocol' });
      await client.closed;
      await vi.waitFor(() => expect(only(server).open).toBe(false));
    },
  );

  test('follows a line without end, however much of it the server has', async () => {
    const piece = Buffer.alloc(256 * 1024, 'x');
    let sentBytes = 0;
    const flood = async (peer: Peer): Promise<void> => {
      for (; peer.open && sentBytes < 8 * longestLineBytes; sentBytes += piece.length) {
        await peer.flush(piece);
      }
    };
    const server = await serve({ command: (_command, peer) => void flood(peer) });
    const client = await connect(server.path);
    await expect(client.execute('a')).rejects.toMatchObject({ kind: 'protocol' });
    expect(sentBytes).toBeLessThan(2 * longestLineBytes);
  });

  test.each([
    [1024, false],
    [1025, true],
  ])('comes with an answer of %d levels: %s', async (levels, ends) => {
    const inner = levels - 1;
    const nested = `${'['.repeat(inner)}"[\\"[{"${']'.repeat(inner)}`;
    const server = await serve({
      command: ({ id }, peer) => void peer.sendRaw(`{"return":${nested},"id":${id}}\n`),
    });
    const asked = (await connect(server.path)).execute('a');
    if (ends) await expect(asked).rejects.toMatchObject({ kind: 'protocol', cause: { name: 'RangeError' } });
    else await expect(asked).resolves.toBeInstanceOf(Array);
  });

  test('comes with an answer of too many values, whatever they are', async () => {
    const values = `0${',0'.repeat(100_000)}`;
    const server = await serve({ command: ({ id }, peer) => peer.sendRaw(`{"return":[${values}],"id":${id}}\n`) });
    const asked = (await connect(server.path)).execute('a');
    await expect(asked).rejects.toMatchObject({ kind: 'protocol', cause: { name: 'RangeError' } });
  });

  test('is no message away: nothing behind a broken line is delivered', async () => {
    const onEvent = vi.fn();
    const event = JSON.stringify({ event: 'STOP', timestamp });
    const server = await serve({ command: (_command, peer) => void peer.sendRaw(`${event}\n!\n${event}\n`) });
    const client = await connect(server.path, { onEvent });
    await expect(client.execute('a')).rejects.toMatchObject({ kind: 'protocol' });
    expect(onEvent).toHaveBeenCalledTimes(1);
  });
});

describe('a server that says what nobody asked', () => {
  const flood = async (peer: Peer, line: string): Promise<number> => {
    const lines = Buffer.from(line.repeat(Math.ceil(65536 / line.length)));
    const until = performance.now() + 300;
    let saidBytes = 0;
    // What is not read does not come to an end: then the kernel holds it up.
    while (peer.open && performance.now() < until) {
      const pause = new Promise<'held up'>((resolve) => setTimeout(resolve, 100, 'held up'));
      if ((await Promise.race([peer.flush(lines), pause])) === 'held up') break;
      saidBytes += lines.length;
    }
    return saidBytes;
  };

  test.each([
    ['events', `${JSON.stringify({ event: 'STOP', timestamp })}\n`],
    ['answers', '{"return":{},"id":4711}\n'],
    ['greetings', '{"QMP":{"capabilities":[]}}\n'],
    ['blank lines', '\n'],
  ])('is held up after some thousands of %s, and its connection stands', async (_what, line) => {
    const server = await serve();
    const client = await connect(server.path);
    const saidBytes = await flood(only(server), line);
    expect(saidBytes).toBeLessThan(4 * 2 ** 20);
    expect(only(server).open).toBe(true);
    client.close();
  });

  test('is heard to the end where it says no more than that', async () => {
    const onEvent = vi.fn();
    const server = await serve({
      command: ({ id }, peer) => {
        for (let said = 0; said < 3000; said += 1) peer.send({ event: 'STOP', timestamp });
        peer.send({ return: 'done', id });
      },
    });
    await expect((await connect(server.path, { onEvent })).execute('a')).resolves.toBe('done');
    expect(onEvent).toHaveBeenCalledTimes(3000);
  });
});
