import { DomctlError } from '../../errors.ts';
import { bytesPerUnit, memoryBytes } from '../../xml/units.ts';
import { defineVerb } from '../command.ts';

export const setmem = defineVerb({
  usage: 'setmem <domain> <size>',
  describe: 'Change how much of its memory a guest has: by its balloon, or in the definition',
  examples: [
    ['domctl setmem web1 2G', 'the guest gives the rest back, in its own time'],
    ['domctl setmem web1 1048576 --config', 'KiB, from the next start on'],
  ],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' })
      .positional('size', { type: 'string', demandOption: true, describe: 'KiB, or with a unit: 512M, 2GiB, 1GB' })
      .option('live', { type: 'boolean', default: false, describe: 'The guest that runs' })
      .option('config', { type: 'boolean', default: false, describe: 'The definition' })
      .option('current', { type: 'boolean', default: false, describe: 'The guest if it runs, else the definition' }),
  async run({ domain, size, live, config, current }, context) {
    if (current && (live || config)) throw new DomctlError('USAGE', '--current excludes --live and --config');
    const bytes = readSize(size);
    const client = await context.connect();
    context.answer(await client.setMemory(domain, { bytes, live, config }));
    return 0;
  },
});

/** As virsh reads it: KiB unless a unit is given. Throws USAGE. */
function readSize(size: string): number {
  const [, amount = '', unit = ''] = /^(\d+) *([a-z]*)$/i.exec(size.trim()) ?? [];
  const unitBytes = amount === '' ? null : bytesPerUnit(unit === '' ? 'KiB' : unit);
  const bytes = unitBytes === null ? null : memoryBytes(BigInt(amount), unitBytes);
  if (bytes !== null && bytes > 0) return bytes;
  throw new DomctlError('USAGE', `'${size}' is not an amount of memory`, { hint: 'as in 1048576 (KiB), 512M or 2GiB' });
}
