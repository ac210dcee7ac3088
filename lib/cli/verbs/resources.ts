import { defineVerb } from '../command.ts';
import { renderResources } from '../render/memory.ts';

export const resources = defineVerb({
  usage: 'resources',
  describe: "Show the host's memory as domctl accounts for it, and who holds what",
  examples: [['domctl resources', 'capacity, promises, draining, what is free to promise']],
  build: (yargs) => yargs,
  async run(_options, context) {
    const client = await context.connect();
    const answer = await client.resources();
    context.say(renderResources(answer).trimEnd());
    context.answer(answer);
    return 0;
  },
});
