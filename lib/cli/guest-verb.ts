/** What verbs share that do one thing to a live guest and say so in virsh's words. */
import type { Argv } from 'yargs';
import { type Context, forEachDomain, type Verb } from './command.ts';

interface GuestOptions {
  readonly domain: string[];
}

/** `said` follows the domain's name: `was reset`. */
export function onGuests(
  verb: 'reset' | 'suspend' | 'resume',
  said: string,
): Pick<Verb<GuestOptions>, 'build' | 'run'> {
  return {
    build: (yargs: Argv) =>
      yargs.positional('domain', { type: 'string', array: true, demandOption: true, describe: 'Name, UUID or id' }),
    run: async ({ domain }, context: Context) =>
      forEachDomain(domain, context, async (one) => {
        const client = await context.connect();
        const answer = await client.guest(one, verb);
        context.say(`Domain '${answer.name}' ${said}`);
        context.answer(answer);
        return 0;
      }),
  };
}
