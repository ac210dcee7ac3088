import { statSync } from 'node:fs';
import { DomctlError } from '../../errors.ts';
import { type Context, defineVerb } from '../command.ts';
import { describeSource, readText } from '../definition-file.ts';
import { renderCommand } from '../render/shell.ts';

/** virsh's word for the only format there is. */
const format = 'qemu-argv';

interface Words {
  readonly source: readonly string[];
  readonly xml: string | undefined;
  readonly domain: string | undefined;
}

export const domxmlToNative = defineVerb({
  usage: 'domxml-to-native [source..]',
  describe: 'Print the command line that a definition comes to: of a file (- for standard input) or of a domain',
  examples: [
    ['domctl domxml-to-native web1.xml', 'needs no daemon, and nothing that the file names'],
    ['domctl domxml-to-native web1 --json', 'of a defined domain, as an array'],
    [`domctl domxml-to-native ${format} --xml web1.xml`, 'as virsh takes it'],
  ],
  build: (yargs) =>
    yargs
      .positional('source', {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: `A file, or a domain's name, UUID or id; ${format} before it is skipped`,
      })
      .option('xml', { type: 'string', requiresArg: true, describe: 'A file with domain XML' })
      .option('domain', { type: 'string', requiresArg: true, describe: 'Name, UUID or id' })
      .option('allow-unsupported', {
        type: 'boolean',
        default: false,
        describe: 'Warn of what domctl does not know instead of refusing it',
      }),
  async run(options, context) {
    const { file, xml, kept } = await readSource(options, context);
    // Loaded here: it reads with much that only the daemon needs otherwise.
    const { convertDefinition } = await import('../../convert/convert.ts');
    const allowUnsupported = kept || options['allow-unsupported'];
    const converted = await convertDefinition({ file, xml, allowUnsupported, places: context.places });
    for (const note of converted.notes) context.warn(`note: ${note}`);
    context.say(renderCommand(converted.argv, converted.environment));
    context.answer(converted.argv);
    return 0;
  },
});

/** `kept`: what a definition holds without effect was let through when it was defined. */
async function readSource(words: Words, context: Context): Promise<{ file: string; xml: string; kept: boolean }> {
  const { file, domain } = choose(words);
  if (file !== undefined) return { file: describeSource(file), xml: await readText(file), kept: false };
  if (domain === undefined) throw usage('which definition?');
  const client = await context.connect();
  return { file: `domain ${domain}`, xml: await client.xml(domain, true), kept: true };
}

/** A word that is a file, or looks like one, is a file; any other is a domain. */
function choose({ source, xml, domain }: Words): { file?: string | undefined; domain?: string | undefined } {
  const [word, ...more] = source[0] === format ? source.slice(1) : source;
  const given = [word, xml, domain].filter((each) => each !== undefined);
  if (more.length > 0 || given.length > 1) throw usage('one definition at a time');
  if (word === undefined) return { file: xml, domain };
  return isFile(word) ? { file: word } : { domain: word };
}

function isFile(word: string): boolean {
  const there = statSync(word, { throwIfNoEntry: false });
  return there ? !there.isDirectory() : /\/|\.xml$/.test(word);
}

function usage(message: string): DomctlError {
  return new DomctlError('USAGE', message, { hint: 'domctl domxml-to-native FILE, or --domain NAME' });
}
