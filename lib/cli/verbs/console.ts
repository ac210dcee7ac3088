import { attachConsole } from '../attach.ts';
import { defineVerb } from '../command.ts';

export const console = defineVerb({
  usage: 'console <domain>',
  describe: "Connect this terminal to a guest's console; leaving it leaves the guest as it is",
  examples: [
    ['domctl console web1', 'until Ctrl + ]'],
    ['domctl console web1 --devname serial1 --force', 'another port, whoever is connected to it'],
  ],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' })
      .option('devname', { type: 'string', requiresArg: true, describe: 'Which one: serial0, console1' })
      .option('force', { type: 'boolean', default: false, describe: 'Take it over from whoever is connected' })
      .option('escape', { type: 'string', requiresArg: true, describe: 'What leaves it; ^] without' }),
  async run({ domain, devname, force, escape }, context) {
    return attachConsole(await context.connect(), domain, { devname, force, escape });
  },
});
