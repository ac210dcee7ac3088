import { setTimeout as sleep } from 'node:timers/promises';
import type { ResourcesAnswer } from '../../client/contract.ts';
import { defineVerb } from '../command.ts';
import { renderResources } from '../render/memory.ts';

const lookEveryMs = 1000;
/** To the upper left corner, and away with what is there. */
const anew = '\x1b[H\x1b[J';

export const resources = defineVerb({
  usage: 'resources',
  describe: "Show the host's memory as domctl accounts for it, and who holds what",
  examples: [
    ['domctl resources', 'capacity, promises, draining, what is free to promise'],
    ['domctl resources --watch', 'the same every second, until Ctrl-C'],
  ],
  build: (yargs) =>
    yargs.option('watch', { type: 'boolean', default: false, describe: 'Again every second; with --json a line each' }),
  async run({ watch }, context) {
    const client = await context.connect();
    const show = (answer: ResourcesAnswer): void => {
      if (watch && process.stdout.isTTY) process.stdout.write(anew);
      const rest = watch && !process.stdout.isTTY ? '\n' : '';
      context.say(`${renderResources(answer).trimEnd()}${rest}`);
      context.answer(answer);
    };
    show(await client.resources());
    while (watch) {
      await sleep(lookEveryMs);
      show(await client.resources());
    }
    return 0;
  },
});
