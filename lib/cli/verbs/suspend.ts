import { defineVerb } from '../command.ts';
import { onGuests } from '../guest-verb.ts';

export const suspend = defineVerb({
  usage: 'suspend <domain..>',
  describe: "Hold the guest's processors; its memory and devices stay",
  examples: [['domctl suspend web1', 'hold it']],
  ...onGuests('suspend', 'suspended'),
});
