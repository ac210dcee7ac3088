import type { Argv } from 'yargs';
import { type Context, defineVerb, forEachDomain } from '../command.ts';
import { durationOption } from '../options.ts';
import { withWaitingNote } from '../progress.ts';

export const start = defineVerb({
  usage: 'start <domain..>',
  describe: 'Start a domain: admitted only when nothing of it is left and the host has room for all of it',
  examples: [
    ['domctl start web1', 'now, or say why not'],
    ['domctl start web1 --wait --timeout 5m', 'at the first moment it is admitted'],
  ],
  build: (yargs) =>
    waitOptions(
      yargs.positional('domain', { type: 'string', array: true, demandOption: true, describe: 'Name or UUID' }),
    ),
  run: async (options, context) =>
    forEachDomain(options.domain, context, async (domain) => startOne(domain, options, context)),
});

/** `--wait` and `--timeout`, as start and force-start take them. */
export function waitOptions<T>(yargs: Argv<T>) {
  return yargs
    .option('wait', {
      type: 'string',
      coerce: (value: string | undefined) => value !== undefined,
      describe: 'Queue it: start at the first moment it is admitted',
      defaultDescription: 'off',
    })
    .option('timeout', { type: 'string', describe: 'Give up waiting after DUR (exit 10)', requiresArg: true });
}

async function startOne(
  domain: string,
  options: { wait: boolean | undefined; timeout: string | undefined },
  context: Context,
): Promise<number> {
  const timeoutMs = durationOption('timeout', options.timeout);
  const client = await context.connect();
  const answer = await withWaitingNote(client, domain, context, options.wait === true, async () =>
    client.start(domain, { wait: options.wait === true, ...(timeoutMs === undefined ? {} : { timeoutMs }) }),
  );
  context.say(`Domain '${answer.name}' started (Id ${answer.id})`);
  context.answer(answer);
  return 0;
}
