import { defineVerb } from '../command.ts';

export const undefine = defineVerb({
  usage: 'undefine <domain>',
  describe: 'Remove a definition; a running incarnation goes on until it ends',
  examples: [['domctl undefine web1', 'forget web1']],
  build: (yargs) => yargs.positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' }),
  async run({ domain }, context) {
    const client = await context.connect();
    const answer = await client.undefine(domain);
    const rest = answer.stillHeldBy === null ? '' : `; incarnation ${answer.stillHeldBy} stays until it is released`;
    context.say(`Domain '${answer.name}' has been undefined${rest}`);
    context.answer(answer);
    return 0;
  },
});
