import type { Argv } from 'yargs';
import { DomctlError } from '../../errors.ts';
import { attachConsole, refuseJsonConsole } from '../attach.ts';
import { type Context, defineVerb, forEachDomain } from '../command.ts';
import { dryRunOption, showDryRun } from '../dry-run.ts';
import { durationOption } from '../options.ts';
import { withWaitingNote } from '../progress.ts';

export const start = defineVerb({
  usage: 'start <domain..>',
  describe: 'Start a domain: admitted only when nothing of it is left and the host has room for all of it',
  examples: [
    ['domctl start web1', 'now, or say why not'],
    ['domctl start web1 --wait --timeout 5m', 'at the first moment it is admitted'],
    ['domctl start web1 --console', 'and see all that it says'],
    ['domctl start web1 --cancel', 'wait no longer'],
    ['domctl start web1 --dry-run', 'would it be admitted now, and why not'],
  ],
  build: (yargs) =>
    waitOptions(
      yargs.positional('domain', { type: 'string', array: true, demandOption: true, describe: 'Name or UUID' }),
    )
      .option('paused', { type: 'boolean', default: false, describe: 'Leave the guest standing still' })
      .option('dry-run', dryRunOption)
      .option('cancel', { type: 'boolean', default: false, describe: 'Take its queued start out of the queue' })
      .option('console', { type: 'boolean', default: false, describe: 'Connect this terminal to its console' }),
  run: async (options, context) => {
    refuseJsonConsole(options.console, context.json);
    if (options.console && options.domain.length > 1)
      throw new DomctlError('USAGE', '--console goes with one domain', { hint: 'there is one terminal' });
    return forEachDomain(options.domain, context, async (domain) =>
      options.cancel ? cancelOne(domain, context) : startOne(domain, options, context),
    );
  },
});

/** `--wait` and `--timeout`, as start and force-start take them. */
export function waitOptions<T>(yargs: Argv<T>) {
  return yargs
    .option('wait', {
      type: 'string',
      coerce: isWaiting,
      describe: 'Queue it: start at the first moment it is admitted',
      defaultDescription: 'off',
    })
    .option('timeout', { type: 'string', describe: 'Give up waiting after DUR (exit 10)', requiresArg: true });
}

/** `--wait`, which stands for `--wait=off` here too; `--no-wait` is a word of yargs' own. */
function isWaiting(value: string | boolean | undefined): boolean {
  if (value === undefined || value === false || value === 'off') return value === 'off';
  throw new DomctlError('USAGE', `--wait=${String(value)}: a start waits for one thing only`, {
    hint: 'give --wait without a value',
  });
}

/** `--timeout` in ms; without `--wait` there is nothing to give up. Throws USAGE. */
export function waitTimeout(options: { wait: boolean | undefined; timeout: string | undefined }): number | undefined {
  if (options.timeout !== undefined && options.wait !== true)
    throw new DomctlError('USAGE', '--timeout goes with --wait');
  return durationOption('timeout', options.timeout);
}

async function cancelOne(domain: string, context: Context): Promise<number> {
  const client = await context.connect();
  const answer = await client.cancelStart(domain);
  context.say(`Queued start of domain '${answer.name}' cancelled`);
  context.answer(answer);
  return 0;
}

/** A start whose daemon went away while it was queued is the next daemon's. */
export async function queued<T>(domain: string, waits: boolean, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!waits || !(error instanceof DomctlError) || error.code !== 'DAEMON_LOST') throw error;
    throw new DomctlError(error.code, error.message, {
      hint: `a queued start stays queued for the next daemon: 'domctl start ${domain} --wait' waits for it again, 'domctl start ${domain} --cancel' takes it out`,
      cause: error,
    });
  }
}

async function startOne(
  domain: string,
  options: {
    wait: boolean | undefined;
    timeout: string | undefined;
    paused: boolean;
    console: boolean;
    'dry-run': boolean;
  },
  context: Context,
): Promise<number> {
  const timeoutMs = waitTimeout(options);
  const client = await context.connect();
  if (options['dry-run']) return showDryRun(await client.start(domain, { dryRun: true }), context);
  const waits = options.wait === true;
  // With a console, connected to before its guest runs: nothing that it says is missed.
  const paused = options.paused || options.console;
  const body = { wait: waits, paused, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
  const answer = await queued(domain, waits, async () =>
    withWaitingNote(client, domain, context, waits, async () => client.start(domain, body)),
  );
  context.say(`Domain '${answer.name}' started (Id ${answer.id})`);
  context.answer(answer);
  return options.console ? attachConsole(client, domain, { resume: !options.paused }) : 0;
}
