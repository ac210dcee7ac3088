import { DomctlError } from '../../errors.ts';
import { defineVerb } from '../command.ts';

export const undefine = defineVerb({
  usage: 'undefine <domain>',
  describe: 'Remove a definition; a running incarnation goes on until it ends',
  examples: [
    ['domctl undefine web1', 'forget web1'],
    ['domctl undefine web1 --nvram', 'and its UEFI variables'],
  ],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' })
      .option('nvram', { type: 'boolean', default: false, describe: 'Remove its UEFI variables too' })
      .option('keep-nvram', { type: 'boolean', default: false, describe: 'Leave its UEFI variables where they are' }),
  async run(options, context) {
    const client = await context.connect();
    const answer = await client.undefine(options.domain, nvramChoice(options.nvram, options['keep-nvram']));
    const rest = answer.stillHeldBy === null ? '' : `; incarnation ${answer.stillHeldBy} stays until it is released`;
    context.say(`Domain '${answer.name}' has been undefined${rest}`);
    context.answer(answer);
    return 0;
  },
});

function nvramChoice(remove: boolean, keep: boolean): 'keep' | 'remove' | null {
  if (remove && keep) throw new DomctlError('USAGE', 'options --nvram and --keep-nvram exclude each other');
  if (remove) return 'remove';
  return keep ? 'keep' : null;
}
