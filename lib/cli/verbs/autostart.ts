import { defineVerb, forEachDomain } from '../command.ts';

export const autostart = defineVerb({
  usage: 'autostart <domain..>',
  describe: 'Start a domain whenever the host comes up',
  examples: [
    ['domctl autostart web1', 'from the next boot of the host on'],
    ['domctl autostart web1 --disable', 'no more'],
  ],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', array: true, demandOption: true, describe: 'Name or UUID' })
      .option('disable', { type: 'boolean', default: false, describe: 'Do not start it any more' }),
  run: async ({ domain, disable }, context) =>
    forEachDomain(domain, context, async (one) => {
      const client = await context.connect();
      const answer = await client.autostart(one, !disable);
      context.say(`Domain '${answer.name}' ${disable ? 'unmarked' : 'marked'} as autostarted`);
      context.answer(answer);
      return 0;
    }),
});
