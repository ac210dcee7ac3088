import type { Argv } from 'yargs';
import type { StopAnswer } from '../../client/contract.ts';
import { formatBytes, formatElapsed } from '../../format.ts';
import { type Context, defineVerb, forEachDomain } from '../command.ts';
import { durationOption, waitTarget } from '../options.ts';
import { withDrainNote } from '../progress.ts';

export const destroy = defineVerb({
  usage: 'destroy <domain..>',
  describe:
    'End a domain without asking it: SIGTERM, then SIGKILL; returns when its exclusive resources are proven free',
  examples: [
    ['domctl destroy web1', 'disks are free when it returns; memory may still drain'],
    ['domctl destroy web1 --wait', 'return when all of its memory is back'],
  ],
  build: (yargs) =>
    stopOptions(
      yargs.positional('domain', { type: 'string', array: true, demandOption: true, describe: 'Name, UUID or id' }),
    ).option('graceful', {
      type: 'boolean',
      default: false,
      describe: 'SIGTERM only, never SIGKILL',
    }),
  run: async (options, context) =>
    forEachDomain(options.domain, context, async (domain) => {
      const wait = waitTarget(options.wait) ?? 'freed';
      const timeoutMs = durationOption('timeout', options.timeout);
      const client = await context.connect();
      const body = { graceful: options.graceful, wait, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
      const answer = await withDrainNote(client, domain, context, wait === 'off', async () =>
        client.destroy(domain, body),
      );
      sayStopped(answer, 'destroyed', context);
      context.answer(answer);
      return 0;
    }),
});

/** `--wait[=freed|off]` and `--timeout`, as shutdown and destroy take them. */
export function stopOptions<T>(yargs: Argv<T>) {
  return yargs
    .option('wait', {
      type: 'string',
      choices: ['freed', 'off'] as const,
      describe: 'Return when exclusive resources are free, or (--wait) when memory is back too',
    })
    .option('timeout', {
      type: 'string',
      requiresArg: true,
      describe: 'Give up waiting after DUR (exit 10); nothing is undone',
    });
}

/** What has ended so far, and what is left of it. */
export function sayStopped(answer: StopAnswer, how: string, context: Context): void {
  const free =
    answer.freedAfterMs === null ? '' : `: exclusive resources free after ${formatElapsed(answer.freedAfterMs)}`;
  const memory =
    answer.releasedAfterMs === null
      ? `, ${answer.drainingBytes === null ? 'memory' : formatBytes(answer.drainingBytes)} still draining`
      : `, all memory back after ${formatElapsed(answer.releasedAfterMs)}`;
  context.say(`Domain '${answer.name}' ${how}${free}${memory}`);
}
