import { defineVerb } from '../command.ts';
import { renderTable } from '../render/table.ts';

const columns = ['Interface', 'Type', 'Source', 'Model', 'MAC'].map((title) => ({ title }));

export const domiflist = defineVerb({
  usage: 'domiflist <domain>',
  describe: 'List the network cards of a domain: those it runs with, or its definition',
  examples: [['domctl domiflist web1', 'which tap of the host is its card']],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' })
      .option('inactive', { type: 'boolean', default: false, describe: 'The definition, even while it runs' }),
  async run({ domain, inactive }, context) {
    const client = await context.connect();
    const rows = await client.interfaces(domain, inactive);
    const cells = rows.map((row) => [row.interface ?? '-', row.type, row.source ?? '-', row.model, row.mac]);
    context.say(renderTable(columns, cells).trimEnd());
    context.answer(rows);
    return 0;
  },
});
