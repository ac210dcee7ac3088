import { attachConsole, refuseJsonConsole } from '../attach.ts';
import { defineVerb } from '../command.ts';
import { describeSource, readText } from '../definition-file.ts';

export const create = defineVerb({
  usage: 'create <file>',
  describe: 'Start a transient domain from an XML file (- for standard input): it is gone when it is released',
  examples: [
    ['domctl create job.xml', 'no definition is kept'],
    ['domctl create job.xml --paused', 'started, and standing still'],
  ],
  build: (yargs) =>
    yargs
      .positional('file', { type: 'string', demandOption: true, describe: 'Domain XML; - reads standard input' })
      .option('paused', { type: 'boolean', default: false, describe: 'Leave the guest standing still' })
      .option('console', { type: 'boolean', default: false, describe: 'Connect this terminal to its console' })
      .option('allow-unsupported', {
        type: 'boolean',
        default: false,
        describe: 'Warn of what domctl does not know instead of refusing it',
      }),
  async run(options, context) {
    refuseJsonConsole(options.console, context.json);
    const xml = await readText(options.file);
    const client = await context.connect();
    const file = describeSource(options.file);
    const { paused, 'allow-unsupported': allowUnsupported } = options;
    // Connected to before its guest runs: nothing that it says is missed.
    const isHeld = paused || options.console;
    const answer = await client.create({ file, xml, allowUnsupported, paused: isHeld });
    for (const warning of answer.warnings ?? []) context.warn(`warning: ${warning}`);
    context.say(`Domain '${answer.name}' created from ${file} (Id ${answer.id})`);
    context.answer(answer);
    if (!options.console) return 0;
    return attachConsole(client, answer.name, { resume: !paused });
  },
});
