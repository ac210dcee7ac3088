import { defineVerb } from '../command.ts';
import { describeSource, readText } from '../definition-file.ts';

export const define = defineVerb({
  usage: 'define <file>',
  describe: 'Define a domain from an XML file (- for standard input), or change its definition',
  examples: [
    ['domctl define web1.xml', 'take over a definition'],
    ['virsh dumpxml web1 | domctl define -', "libvirt's own XML is read"],
  ],
  build: (yargs) =>
    yargs
      .positional('file', { type: 'string', demandOption: true, describe: 'Domain XML; - reads standard input' })
      .option('allow-unsupported', {
        type: 'boolean',
        default: false,
        describe: 'Warn of what domctl does not know instead of refusing it',
      }),
  async run(options, context) {
    const xml = await readText(options.file);
    const client = await context.connect();
    const file = describeSource(options.file);
    const answer = await client.define({ file, xml, allowUnsupported: options['allow-unsupported'] });
    for (const warning of answer.warnings) context.warn(`warning: ${warning}`);
    context.say(`Domain '${answer.name}' defined from ${file}`);
    context.answer(answer);
    return 0;
  },
});
