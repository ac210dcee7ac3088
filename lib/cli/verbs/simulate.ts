import { join } from 'node:path';
import { packageDir } from '../../places.ts';
import { defineVerb } from '../command.ts';
import { renderSimulation } from '../render/simulation.ts';

export const simulate = defineVerb({
  usage: 'simulate <scenario>',
  describe: 'What a restart would cost under each policy: the rules of admission on a virtual host, without a daemon',
  examples: [
    ['domctl simulate restart-1tib', 'one that comes with domctl'],
    ['domctl simulate ./ours.yaml --json', 'a file of your own; every domain with its times'],
  ],
  build: (yargs) =>
    yargs.positional('scenario', {
      type: 'string',
      demandOption: true,
      describe: 'A file, or the name of a shipped scenario',
    }),
  async run({ scenario }, { places, say, answer }) {
    // Loaded by those who need it: it reads YAML.
    const { simulateFile } = await import('../../simulation/simulate.ts');
    const shippedDir = join(packageDir(), 'policies');
    const simulation = await simulateFile(scenario, { configDir: places.configDir, shippedDir });
    say(renderSimulation(simulation).trimEnd());
    answer(simulation);
    return 0;
  },
});
