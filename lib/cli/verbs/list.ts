import { defineVerb } from '../command.ts';
import { renderList } from '../render/memory.ts';

export const list = defineVerb({
  usage: 'list',
  describe: 'List domains: state, memory held, memory still draining',
  examples: [
    ['domctl list', 'what is live or draining'],
    ['domctl list --all --json', 'every domain, for a program'],
  ],
  build: (yargs) =>
    yargs
      .option('all', { type: 'boolean', default: false, describe: 'Shut off domains too' })
      .option('inactive', { type: 'boolean', default: false, describe: 'Only shut off domains' })
      .option('name', { type: 'boolean', default: false, describe: 'Names only' })
      .option('uuid', { type: 'boolean', default: false, describe: 'UUIDs only' })
      .option('id', { type: 'boolean', default: false, describe: 'Ids only' }),
  async run(options, context) {
    const client = await context.connect();
    const rows = (await client.list()).filter(
      ({ id }) => options.all || (options.inactive ? id === null : id !== null),
    );
    const columns = [options.id, options.uuid, options.name];
    if (columns.includes(true)) {
      for (const row of rows) {
        const cells = [
          options.id ? String(row.id ?? '-') : null,
          options.uuid ? row.uuid : null,
          options.name ? row.name : null,
        ];
        context.say(cells.filter((cell) => cell !== null).join(' '));
      }
    } else context.say(renderList(rows).trimEnd());
    context.answer(rows);
    return 0;
  },
});
