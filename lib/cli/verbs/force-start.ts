import type { StartAnswer } from '../../client/contract.ts';
import { DomctlError } from '../../errors.ts';
import { formatBytes } from '../../format.ts';
import { type Context, defineVerb } from '../command.ts';
import { dryRunOption, showDryRun } from '../dry-run.ts';
import { printable } from '../printable.ts';
import { withWaitingNote } from '../progress.ts';
import { renderArithmetic, renderBrake } from '../render/memory.ts';
import { queued, waitOptions, waitTimeout } from './start.ts';

export const forceStart = defineVerb({
  usage: 'force-start <domain>',
  describe: 'Start a domain on top of its own memory that still drains, as its policy allows',
  examples: [
    ['domctl force-start db1 --dry-run', 'what would it cost, would it be admitted'],
    ['domctl force-start db1', 'do not wait for the old memory'],
  ],
  build: (yargs) =>
    waitOptions(yargs.positional('domain', { type: 'string', demandOption: true, describe: 'Name or UUID' })).option(
      'dry-run',
      dryRunOption,
    ),
  async run(options, context) {
    const timeoutMs = waitTimeout(options);
    const client = await context.connect();
    const wait = options.wait === true && !options['dry-run'];
    const body = { force: true, dryRun: options['dry-run'], wait, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
    try {
      const answer = await queued(options.domain, wait, async () =>
        withWaitingNote(client, options.domain, context, wait, async () => client.start(options.domain, body)),
      );
      return options['dry-run'] ? showDryRun(answer, context) : showStarted(answer, context);
    } catch (error) {
      explainRefusal(error, context);
      throw error;
    }
  },
});

function showStarted(answer: StartAnswer, context: Context): number {
  context.say(`${renderArithmetic(answer)}${renderBrake(answer)}`.trimEnd());
  const over = answer.overIncarnations.length > 0 ? `, over ${formatBytes(answer.overBytes)} still draining` : '';
  context.say(`Domain '${answer.name}' started (Id ${answer.id})${over}`);
  context.answer(answer);
  return 0;
}

/** A refusal carries the arithmetic it stands on: the same five lines, on stderr before the error. */
function explainRefusal(error: unknown, context: Context): void {
  if (context.json || !(error instanceof DomctlError) || !error.details['arithmetic']) return;
  const explained = error.details as unknown as Parameters<typeof renderArithmetic>[0] & { domain: string };
  process.stderr.write(printable(renderArithmetic({ ...explained, name: explained.domain })));
}
