import { connectRunning } from '../../client/autostart.ts';
import { version as own } from '../../version.ts';
import { defineVerb } from '../command.ts';

export const version = defineVerb({
  usage: 'version',
  describe: 'Print the version of domctl and of the daemon that runs, if one does',
  examples: [['domctl version --json', 'for a program']],
  build: (yargs) => yargs,
  async run(_options, context) {
    const client = await connectRunning(context.places);
    const daemon = client ? await client.version() : null;
    context.say(`domctl ${own}`);
    context.say(
      daemon
        ? `domctld ${daemon.version} (pid ${daemon.pid}, ${daemon.hierarchy} cgroups, root ${daemon.cgroupRoot})`
        : 'domctld is not running',
    );
    context.answer({ version: own, daemon });
    return 0;
  },
});
