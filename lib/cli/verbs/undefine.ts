import { DomctlError } from '../../errors.ts';
import { defineVerb } from '../command.ts';

export const undefine = defineVerb({
  usage: 'undefine <domain>',
  describe: 'Remove a definition; a running incarnation goes on until it ends',
  examples: [
    ['domctl undefine web1', 'forget web1'],
    ['domctl undefine web1 --nvram', 'and its UEFI variables'],
    ['domctl undefine web1 --keep-tpm', 'but leave the state of its TPM'],
  ],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' })
      .option('nvram', { type: 'boolean', default: false, describe: 'Remove its UEFI variables too' })
      .option('keep-nvram', { type: 'boolean', default: false, describe: 'Leave its UEFI variables where they are' })
      .option('tpm', { type: 'boolean', default: false, describe: 'Remove the state of its TPM too (the default)' })
      .option('keep-tpm', { type: 'boolean', default: false, describe: 'Leave the state of its TPM where it is' }),
  async run(options, context) {
    const client = await context.connect();
    const nvram = choice('nvram', options.nvram, options['keep-nvram']);
    const tpm = choice('tpm', options.tpm, options['keep-tpm']) ?? 'remove';
    const answer = await client.undefine(options.domain, nvram, tpm);
    const rest = answer.stillHeldBy === null ? '' : `; incarnation ${answer.stillHeldBy} stays until it is released`;
    context.say(`Domain '${answer.name}' has been undefined${rest}`);
    if (tpm === 'remove' && answer.tpm?.removed === false) context.warn(warning(answer.tpm.path, answer.stillHeldBy));
    context.answer(answer);
    return 0;
  },
});

function warning(path: string, heldBy: number | null): string {
  return heldBy === null
    ? `warning: the state of its TPM is not all its own, and was left: ${path}`
    : `warning: the state of its TPM is in use, and goes with incarnation ${heldBy}: ${path}`;
}

function choice(what: 'nvram' | 'tpm', remove: boolean, keep: boolean): 'keep' | 'remove' | null {
  if (remove && keep) throw new DomctlError('USAGE', `options --${what} and --keep-${what} exclude each other`);
  if (remove) return 'remove';
  return keep ? 'keep' : null;
}
