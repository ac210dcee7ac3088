import { defineVerb } from '../command.ts';

export const dumpxml = defineVerb({
  usage: 'dumpxml <domain>',
  describe: 'Print a domain as XML: what it runs with, or its definition',
  examples: [['domctl dumpxml web1 > web1.xml', 'save a definition']],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' })
      .option('inactive', { type: 'boolean', default: false, describe: 'The definition, even while it runs' }),
  async run({ domain, inactive }, context) {
    const client = await context.connect();
    const xml = await client.xml(domain, inactive);
    context.say(xml.trimEnd());
    context.answer({ xml });
    return 0;
  },
});
