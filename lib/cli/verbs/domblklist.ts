import type { BlockRow } from '../../client/hardware.ts';
import { defineVerb } from '../command.ts';
import { renderTable } from '../render/table.ts';

export const domblklist = defineVerb({
  usage: 'domblklist <domain>',
  describe: 'List the disks of a domain: those it runs with, or its definition',
  examples: [['domctl domblklist web1 --details', 'with what each is']],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' })
      .option('details', { type: 'boolean', default: false, describe: 'Type and device too' })
      .option('inactive', { type: 'boolean', default: false, describe: 'The definition, even while it runs' }),
  async run({ domain, details, inactive }, context) {
    const client = await context.connect();
    const rows = await client.blocks(domain, inactive);
    context.say(renderBlocks(rows, details).trimEnd());
    context.answer(rows);
    return 0;
  },
});

/** virsh's table. */
function renderBlocks(rows: readonly BlockRow[], details: boolean): string {
  const titles = [...(details ? ['Type', 'Device'] : []), 'Target', 'Source'];
  const cells = rows.map(({ type, device, target, source }) => {
    return [...(details ? [type, device] : []), target, source ?? '-'];
  });
  return renderTable(
    titles.map((title) => ({ title })),
    cells,
  );
}
