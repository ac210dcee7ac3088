import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '../../client/client.ts';
import type { DrainAnswer } from '../../client/contract.ts';
import { type Context, defineVerb } from '../command.ts';
import { printable } from '../printable.ts';
import { renderAtRest, renderDrain, renderReleased } from '../render/domain.ts';

const redrawMs = 200;
const linePauseMs = 1000;

export const drain = defineVerb({
  usage: 'drain [domain]',
  describe: 'Watch memory coming back',
  examples: [
    ['domctl drain', 'all that drains, until it is back'],
    ['domctl drain db1 --once', 'how it stands now, and who holds its memory'],
  ],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', describe: 'Name, UUID or id; all domains without' })
      .option('once', { type: 'boolean', default: false, describe: 'Print how it stands and return' }),
  async run({ domain, once }, context) {
    const client = await context.connect();
    const first = await client.drain(domain ?? null);
    if (first.draining.length === 0) {
      context.say(domain === undefined ? 'Nothing is draining' : renderAtRest(await client.info(domain)));
      context.answer(first);
      return 0;
    }
    if (once || context.json) {
      for (const row of first.draining) context.say(renderDrain(row, false));
      context.answer(first);
      return 0;
    }
    await watch(client, domain ?? null, first, context);
    return 0;
  },
});

/** Until nothing that drained at first drains any more; each that ends says so. */
async function watch(client: Client, domain: string | null, first: DrainAnswer, context: Context): Promise<void> {
  const awaited = new Set(first.draining.map(({ id }) => id));
  const screen = process.stdout.isTTY ? new Redrawn() : new Lines(context);
  for (let answer = first; ; answer = await ask(client, domain, answer)) {
    const rows = answer.draining.filter(({ id }) => awaited.has(id));
    const ended = answer.released.filter(({ id }) => awaited.has(id));
    screen.show(
      rows.map((row) => renderDrain(row, process.stdout.isTTY)),
      ended.map(renderReleased),
    );
    for (const { id } of ended) awaited.delete(id);
    if (rows.length === 0) return;
    await sleep(process.stdout.isTTY ? redrawMs : linePauseMs);
  }
}

/** An undefined domain's name is gone with its last incarnation: then the released ones tell. */
async function ask(client: Client, domain: string | null, before: DrainAnswer): Promise<DrainAnswer> {
  if (domain === null) return client.drain(null);
  const all = await client.drain(null);
  const ids = new Set(before.draining.map(({ id }) => id));
  return { draining: all.draining.filter(({ id }) => ids.has(id)), released: all.released };
}

/** A terminal: the lines of what drains are drawn over the last ones. */
class Redrawn {
  #lines = 0;

  show(draining: readonly string[], ended: readonly string[]): void {
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A` : '';
    process.stdout.write(`${up}\x1b[J${[...ended, ...draining].map((line) => `${printable(line)}\n`).join('')}`);
    this.#lines = draining.length;
  }
}

/** No terminal: a line a second each. */
class Lines {
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  show(draining: readonly string[], ended: readonly string[]): void {
    for (const line of [...ended, ...draining]) this.#context.say(line);
  }
}
