import { describe, expect, test } from 'vitest';
import {
  injectNmi,
  queryBlockStats,
  queryChardev,
  queryCpus,
  queryStatus,
  quit,
  ready,
  setAction,
  setLink,
  systemReset,
  systemWakeup,
} from '../../../lib/qemu/commands.ts';
import type { QmpClient } from '../../../lib/qemu/qmp.ts';
import { connect, only, serve } from '../../fixtures/qmp/client.ts';

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

  test.each<[string, (client: QmpClient) => Promise<void>, object | undefined]>([
    ['system_reset', (client) => systemReset(client), undefined],
    ['system_wakeup', (client) => systemWakeup(client), undefined],
    ['inject-nmi', (client) => injectNmi(client), undefined],
    ['set_link', (client) => setLink(client, 'net0', false), { name: 'net0', up: false }],
    ['set-action', (client) => setAction(client, { panic: 'pause' }), { panic: 'pause' }],
  ])('%s is sent with its arguments', async (command, send, args) => {
    const server = await serve({ command: ({ id }, peer) => peer.send({ return: {}, id }) });
    await send(await connect(server.path));
    expect(only(server).commands.at(-1)).toMatchObject({ execute: command, ...(args && { arguments: args }) });
  });

  async function answering(answer: unknown): Promise<QmpClient> {
    const server = await serve({ command: ({ id }, peer) => peer.send({ return: answer, id }) });
    return connect(server.path);
  }

  test('query-chardev tells what is behind each', async () => {
    const answer = [{ 'frontend-open': true, filename: 'pty:/dev/pts/3', label: 'charserial0' }];
    expect(await queryChardev(await answering(answer))).toEqual([
      { filename: 'pty:/dev/pts/3', label: 'charserial0', frontendOpen: true },
    ]);
  });

  test('query-cpus-fast tells the thread of each processor', async () => {
    const answer = [
      { 'thread-id': 4711, 'cpu-index': 0, 'qom-path': '/machine/unattached/device[0]', target: 'x86_64' },
    ];
    expect(await queryCpus(await answering(answer))).toEqual([{ index: 0, threadId: 4711 }]);
  });

  test('figures of a disk are joined with the file in it by the device, and an empty drive has none', async () => {
    const figures = {
      rd_operations: 3,
      rd_bytes: 1536,
      rd_total_time_ns: 70,
      wr_operations: 1,
      wr_bytes: 512,
      wr_total_time_ns: 9,
      flush_operations: 2,
      flush_total_time_ns: 5,
      wr_highest_offset: 4096,
    };
    const [disk, drive] = ['/machine/peripheral/virtio-disk0/virtio-backend', '/machine/peripheral/sata0-0-1'];
    const answers: Record<string, unknown> = {
      'query-blockstats': [disk, drive].map((qdev) => ({ device: '', qdev, stats: figures })),
      'query-block': [
        { device: '', qdev: drive, removable: true },
        { device: '', qdev: disk, inserted: { file: '/a.img', image: { 'virtual-size': 1048576 } } },
      ],
    };
    const server = await serve({
      command: ({ id, execute }, peer) => peer.send({ return: answers[String(execute)], id }),
    });
    expect(await queryBlockStats(await connect(server.path))).toMatchObject([
      {
        file: '/a.img',
        reads: { requests: 3, bytes: 1536, timeNs: 70 },
        writes: { requests: 1, bytes: 512, timeNs: 9 },
        flushes: { requests: 2, timeNs: 5 },
        highestOffsetBytes: 4096,
        capacityBytes: 1048576,
      },
      { file: null, capacityBytes: null },
    ]);
  });
});
