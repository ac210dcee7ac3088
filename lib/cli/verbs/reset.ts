import { defineVerb } from '../command.ts';
import { onGuests } from '../guest-verb.ts';

export const reset = defineVerb({
  usage: 'reset <domain..>',
  describe: 'Reset the machine as its reset button does: the guest is not asked',
  examples: [['domctl reset web1', 'press the reset button']],
  ...onGuests('reset', 'was reset'),
});
