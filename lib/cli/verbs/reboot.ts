import { defineVerb, forEachDomain } from '../command.ts';
import { askModes, modeOption, requireWait } from '../asking.ts';
import { durationOption } from '../options.ts';

export const reboot = defineVerb({
  usage: 'reboot <domain..>',
  describe: 'Ask the guest to reboot and return; it stays the same incarnation',
  examples: [
    ['domctl reboot web1', 'ask, do not wait'],
    ['domctl reboot web1 --wait --timeout 2m', 'until it has begun anew'],
  ],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', array: true, demandOption: true, describe: 'Name, UUID or id' })
      .option('mode', modeOption)
      .option('wait', { choices: ['off'] as const, describe: 'Until the guest has begun anew', hidden: false })
      .option('timeout', { type: 'string', requiresArg: true, describe: 'Give up waiting after DUR (exit 10)' }),
  run: async (options, context) =>
    forEachDomain(options.domain, context, async (domain) => {
      const modes = askModes(options.mode);
      const wait = options.wait !== undefined;
      requireWait(wait, options.timeout);
      const timeoutMs = durationOption('timeout', options.timeout);
      const client = await context.connect();
      const answer = await client.reboot(domain, {
        wait,
        ...(modes === undefined ? {} : { modes }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
      context.say(`Domain '${answer.name}' ${wait ? 'has rebooted' : 'is being rebooted'}`);
      context.answer(answer);
      return 0;
    }),
});
