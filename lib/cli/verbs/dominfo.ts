import { defineVerb } from '../command.ts';
import { renderInfo } from '../render/domain.ts';

export const dominfo = defineVerb({
  usage: 'dominfo <domain>',
  describe: 'Show a domain and every incarnation of it that is not released: pid, cgroup, held, proofs, holders',
  examples: [['domctl dominfo db1', 'what is holding its memory']],
  build: (yargs) => yargs.positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' }),
  async run({ domain }, context) {
    const client = await context.connect();
    const info = await client.info(domain);
    context.say(renderInfo(info).trimEnd());
    context.answer(info);
    return 0;
  },
});
