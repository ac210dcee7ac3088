import { defineVerb } from '../command.ts';
import { asReferences } from '../printable.ts';

export const dumpxml = defineVerb({
  usage: 'dumpxml <domain>',
  describe: 'Print a domain as XML: what it runs with, or its definition',
  examples: [['domctl dumpxml web1 > web1.xml', 'save a definition']],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' })
      .option('inactive', { type: 'boolean', default: false, describe: 'The definition, even while it runs' })
      .option('security-info', { type: 'boolean', default: false, describe: 'With passwords that libvirt left in it' }),
  async run({ domain, inactive, 'security-info': securityInfo }, context) {
    const client = await context.connect();
    const xml = await client.xml(domain, inactive, securityInfo);
    context.say(asReferences(xml.trimEnd()));
    context.answer({ xml });
    return 0;
  },
});
