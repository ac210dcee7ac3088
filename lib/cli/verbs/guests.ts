import { DomctlError } from '../../errors.ts';
import { type Context, defineVerb } from '../command.ts';
import { stopGuests, type StopGuests } from '../guests.ts';
import { durationOption } from '../options.ts';

export const guests = defineVerb({
  usage: 'guests <action>',
  describe: "Before the host goes down: shut down every running guest; 'start': bring up the daemon and what it starts",
  examples: [
    ['domctl guests stop --timeout 5m', 'as domctl-guests.service does; exit 10 names those that remain'],
    ['domctl guests stop --on-timeout destroy', 'and end those that have not ended by then'],
  ],
  build: (yargs) =>
    yargs
      .positional('action', { choices: ['start', 'stop'] as const, demandOption: true, describe: 'What to do' })
      .option('timeout', { type: 'string', requiresArg: true, default: '5m', describe: 'For all guests together, DUR' })
      .option('parallel', { type: 'number', requiresArg: true, default: 0, describe: 'At a time; 0: all at once' })
      .option('on-timeout', {
        choices: ['leave', 'destroy'] as const,
        default: 'leave' as const,
        describe: 'What becomes of a guest that has not ended by then, or cannot be asked',
      }),
  run: async ({ action, timeout, parallel, 'on-timeout': onTimeout }, context) => {
    if (action === 'start') return start(context);
    if (!Number.isSafeInteger(parallel) || parallel < 0)
      throw new DomctlError('USAGE', `--parallel: '${parallel}' is not a number of guests`);
    return stop({ timeoutMs: durationOption('timeout', timeout) ?? 0, parallel, onTimeout }, context);
  },
});

/** The daemon starts what is to be started with the host; that it is up is all there is to do. */
async function start(context: Context): Promise<number> {
  const client = await context.connect();
  const running = (await client.list()).filter(({ id }) => id !== null);
  context.say(running.length === 0 ? 'No guest is running' : running.map(({ name }) => name).join(' '));
  context.answer({ running: running.map(({ name }) => name) });
  return 0;
}

async function stop(order: StopGuests, context: Context): Promise<number> {
  const { stopped, remaining } = await stopGuests(await context.connect(), order, context.say);
  if (remaining.length > 0) {
    throw new DomctlError('DEADLINE_PASSED', `still running: ${remaining.join(', ')}`, {
      hint: "'domctl guests stop --on-timeout destroy' ends them",
      details: { stopped, remaining },
    });
  }
  context.answer({ stopped, remaining });
  return 0;
}
