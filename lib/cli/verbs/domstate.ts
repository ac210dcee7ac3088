import { defineVerb } from '../command.ts';
import { renderState } from '../render/domain.ts';

export const domstate = defineVerb({
  usage: 'domstate <domain>',
  describe: "Print a domain's state: one word that is never said before it is true",
  examples: [['domctl domstate db1 --reason', 'with the reason, and the bytes if any are draining']],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' })
      .option('reason', { type: 'boolean', default: false, describe: 'Why, and what is still held' }),
  async run({ domain, reason }, context) {
    const client = await context.connect();
    const info = await client.info(domain);
    context.say(reason ? renderState(info) : info.state);
    const { name, id, state, heldBytes, drainingBytes, drainRateBytes, drainEtaMs } = info;
    context.answer({ name, id, state, reason: info.reason, heldBytes, drainingBytes, drainRateBytes, drainEtaMs });
    return 0;
  },
});
