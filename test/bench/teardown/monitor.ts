/** Just enough of QMP to tell a QEMU by hand to run: product code would add its own waiting to the floor it is held against. */
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { nowMs } from './contender.ts';

export interface Monitor {
  execute(command: string): Promise<void>;
  close(): void;
}

/** Tries each millisecond until somebody listens; negotiates. */
export async function openMonitor(path: string): Promise<Monitor> {
  const socket = await dial(path);
  const lines = linesOf(socket);
  await lines();
  const execute = async (command: string): Promise<void> => {
    socket.write(`${JSON.stringify({ execute: command })}\n`);
    for (;;) {
      const value = await lines();
      const message = JSON.parse(value) as Record<string, unknown>;
      if ('return' in message) return;
      if ('error' in message) throw new Error(`${command}: ${value}`);
    }
  };
  await execute('qmp_capabilities');
  return { execute, close: () => void socket.destroy() };
}

/** The next line, each time; rejects when there is none to come. */
function linesOf(socket: Socket): () => Promise<string> {
  const waiting: string[] = [];
  let wake = (): void => undefined;
  const lines = createInterface(socket);
  lines.on('line', (line) => (waiting.push(line), wake()));
  // The socket's own, told again; that it ends is seen below.
  lines.on('error', () => undefined);
  socket.on('close', () => wake());
  return async () => {
    while (waiting.length === 0) {
      if (socket.destroyed) throw new Error('QEMU hung up');
      await new Promise<void>((resolve) => (wake = resolve));
    }
    return waiting.shift()!;
  };
}

async function dial(path: string): Promise<Socket> {
  const end = nowMs() + 60_000;
  for (;;) {
    const socket = createConnection(path);
    try {
      await once(socket, 'connect');
      socket.on('error', () => undefined);
      return socket;
    } catch (error) {
      if (nowMs() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
