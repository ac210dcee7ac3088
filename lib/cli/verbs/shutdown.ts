import { askModes, modeOption } from '../asking.ts';
import { defineVerb, forEachDomain } from '../command.ts';
import { durationOption, waitTarget } from '../options.ts';
import { withDrainNote } from '../progress.ts';
import { stopOptions, sayStopped } from './destroy.ts';

export const shutdown = defineVerb({
  usage: 'shutdown <domain..>',
  describe: 'Ask the guest to shut down (agent, then ACPI) and return; never escalates by itself',
  examples: [
    ['domctl shutdown web1', 'ask, do not wait'],
    ['domctl shutdown web1 --wait --force-after 90s', 'wait until all of it is back; end it after 90 s'],
  ],
  build: (yargs) =>
    stopOptions(
      yargs.positional('domain', { type: 'string', array: true, demandOption: true, describe: 'Name, UUID or id' }),
    )
      .option('force-after', {
        type: 'string',
        requiresArg: true,
        describe: 'Destroy it after DUR if it has not ended',
      })
      .option('mode', modeOption)
      .option('resume', {
        type: 'boolean',
        default: false,
        describe: 'Resume a paused guest first, so that it can hear',
      }),
  run: async (options, context) =>
    forEachDomain(options.domain, context, async (domain) => {
      const wait = waitTarget(options.wait);
      const timeoutMs = durationOption('timeout', options.timeout);
      const forceAfterMs = durationOption('force-after', options['force-after']);
      const modes = askModes(options.mode);
      const client = await context.connect();
      const body = {
        resume: options.resume,
        ...(modes === undefined ? {} : { modes }),
        ...(wait === null ? {} : { wait }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        ...(forceAfterMs === undefined ? {} : { forceAfterMs }),
      };
      const answer = await withDrainNote(client, domain, context, wait === 'off', async () =>
        client.shutdown(domain, body),
      );
      if (answer.unasked !== undefined) context.warn(`warning: ${answer.unasked}`);
      if (wait === null) context.say(`Domain '${answer.name}' is being shutdown`);
      else sayStopped(answer, 'shut down', context);
      context.answer(answer);
      return 0;
    }),
});
