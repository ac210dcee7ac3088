import { defineVerb } from '../command.ts';
import { onGuests } from '../guest-verb.ts';

export const resume = defineVerb({
  usage: 'resume <domain..>',
  describe: 'Let a suspended guest go on',
  examples: [['domctl resume web1', 'let it go on']],
  ...onGuests('resume', 'resumed'),
});
