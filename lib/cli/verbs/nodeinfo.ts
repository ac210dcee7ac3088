import { defineVerb } from '../command.ts';
import { renderNode } from '../render/stats.ts';

export const nodeinfo = defineVerb({
  usage: 'nodeinfo',
  describe: "Show the host's processors and memory",
  examples: [['domctl nodeinfo --json', 'for a program: memory in bytes']],
  build: (yargs) => yargs,
  async run(_options, context) {
    const client = await context.connect();
    const node = await client.node();
    context.say(renderNode(node).trimEnd());
    context.answer(node);
    return 0;
  },
});
