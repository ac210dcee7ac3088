/** What a person at a terminal sees while a command waits: a line on stderr when it changes. Programs see nothing of it. */
import type { Client } from '../client/client.ts';
import type { Context } from './command.ts';
import { renderDrain, renderState } from './render/domain.ts';

const lookEveryMs = 1000;

/** While a start is queued: what it waits for. */
export async function withWaitingNote<T>(
  client: Client,
  domain: string,
  context: Context,
  waits: boolean,
  work: () => Promise<T>,
): Promise<T> {
  return withNote(context, waits, async () => `waiting: ${renderState(await client.info(domain))}`, work);
}

/** While memory drains: how much is left. */
export async function withDrainNote<T>(
  client: Client,
  domain: string,
  context: Context,
  waits: boolean,
  work: () => Promise<T>,
): Promise<T> {
  const note = async (): Promise<string> => {
    const { draining } = await client.drain(domain);
    return draining.map((row) => renderDrain(row, true)).join('\n');
  };
  return withNote(context, waits, note, work);
}

async function withNote<T>(
  context: Context,
  waits: boolean,
  note: () => Promise<string>,
  work: () => Promise<T>,
): Promise<T> {
  if (!waits || context.json || !process.stderr.isTTY) return work();
  let shown = '';
  const look = async (): Promise<void> => {
    const text = await note();
    if (text !== '' && text !== shown) context.warn(text);
    shown = text;
  };
  // A note that cannot be had is no failure: the command's own answer tells.
  const timer = setInterval(() => void look().catch(() => undefined), lookEveryMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
