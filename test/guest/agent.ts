/** A guest agent's socket as a test asks it: one question, one answer. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

/** What the agent returns. A shutdown is not answered: `answered` false gives null as soon as the question is sent. */
export async function askAgent(
  path: string,
  execute: string,
  { arguments: given = {}, answered = true }: { arguments?: object; answered?: boolean } = {},
): Promise<unknown> {
  const socket = connect(path);
  await once(socket, 'connect');
  try {
    const lines = createInterface(socket)[Symbol.asyncIterator]();
    socket.write(`${JSON.stringify({ execute, arguments: given })}\n`);
    if (!answered) return null;
    const { value } = await lines.next();
    return (JSON.parse(value as string) as { return: unknown }).return;
  } finally {
    socket.end();
  }
}
