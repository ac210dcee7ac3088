import { describe, expect, test } from 'vitest';
import { queryStatus, quit, ready } from '../../../lib/qemu/commands.ts';
import { connect, serve } from '../../fixtures/qmp/client.ts';

describe('typed commands', () => {
  test('ready means that a status was answered', async () => {
    const server = await serve({
      command: ({ id }, peer) => peer.send({ return: { status: 'prelaunch', running: false, singlestep: false }, id }),
    });
    expect(await ready(await connect(server.path))).toEqual({ status: 'prelaunch', running: false });
  });

  test('a greeting alone is not ready', async () => {
    const server = await serve();
    await expect(ready(await connect(server.path), { deadlineMs: 30 })).rejects.toMatchObject({ kind: 'deadline' });
  });

  test('an answer of another shape is a protocol error', async () => {
    const server = await serve({ command: ({ id }, peer) => peer.send({ return: { status: 7 }, id }) });
    const asked = queryStatus(await connect(server.path));
    await expect(asked).rejects.toMatchObject({ command: 'query-status', kind: 'protocol' });
  });

  test('quit takes the end of the connection for an answer', async () => {
    const server = await serve({ command: (_command, peer) => peer.end() });
    await expect(quit(await connect(server.path))).resolves.toBeUndefined();
  });
});
