import { createReadStream } from 'node:fs';
import { DomctlError, isErrno } from '../../errors.ts';
import { defineVerb } from '../command.ts';
import { standardInput } from '../options.ts';

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
    const file = options.file === standardInput ? 'standard input' : options.file;
    const answer = await client.define({ file, xml, allowUnsupported: options['allow-unsupported'] });
    for (const warning of answer.warnings) context.warn(`warning: ${warning}`);
    context.say(`Domain '${answer.name}' defined from ${file}`);
    context.answer(answer);
    return 0;
  },
});

/** One byte more than a definition may have: enough for the daemon to refuse what is too long, whatever its size. */
const longestBytes = 1024 * 1024 + 1;

async function readText(file: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of file === standardInput ? process.stdin : createReadStream(file)) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (length >= longestBytes) break;
    }
  } catch (error) {
    const why = isErrno(error, 'ENOENT') ? 'no such file' : isErrno(error, 'EISDIR') ? 'is a directory' : String(error);
    throw new DomctlError('FAILED', `${file}: ${why}`, { cause: error });
  }
  return Buffer.concat(chunks).toString('utf8', 0, longestBytes);
}
