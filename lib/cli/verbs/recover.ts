import { defineVerb } from '../command.ts';

export const recover = defineVerb({
  usage: 'recover <domain>',
  describe: 'Read the facts of an `unknown` incarnation again, now; nothing is assumed',
  examples: [['domctl recover web1', 'after what kept them from being read was put right']],
  build: (yargs) => yargs.positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' }),
  async run({ domain }, context) {
    const client = await context.connect();
    const answer = await client.guest(domain, 'recover');
    context.say(`Domain '${answer.name}' is ${answer.state} (${answer.reason})`);
    context.answer(answer);
    return 0;
  },
});
