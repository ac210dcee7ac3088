import type { DomainRow, QueuedInfo } from '../../client/contract.ts';
import { defineVerb } from '../command.ts';
import { renderList, renderQueue } from '../render/memory.ts';

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
      .option('persistent', { type: 'boolean', default: false, describe: 'Only domains with a definition' })
      .option('transient', { type: 'boolean', default: false, describe: 'Only domains without one' })
      .option('autostart', {
        type: 'boolean',
        describe: 'Only those started with the host; --no-autostart: the others',
      })
      .option('state-running', { type: 'boolean', default: false, describe: 'Only running ones' })
      .option('state-paused', { type: 'boolean', default: false, describe: 'Only paused ones' })
      .option('state-shutoff', { type: 'boolean', default: false, describe: 'Only shut off ones' })
      .option('state-other', { type: 'boolean', default: false, describe: 'Only those in any other state' })
      .option('name', { type: 'boolean', default: false, describe: 'Names only' })
      .option('uuid', { type: 'boolean', default: false, describe: 'UUIDs only' })
      .option('id', { type: 'boolean', default: false, describe: 'Ids only' }),
  async run(options, context) {
    const client = await context.connect();
    const all = await client.list();
    const rows = all.filter((row) => isAsked(row, options));
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
    } else context.say(`${renderList(rows)}${renderQueue(queueOf(all))}`.trimEnd());
    context.answer(rows);
    return 0;
  },
});

/** Whatever the filter: who waits may be shut off. */
function queueOf(rows: readonly DomainRow[]): QueuedInfo[] {
  const queued = rows.flatMap((row) => (row.queued ? [row.queued] : []));
  return queued.toSorted((a, b) => a.position - b.position);
}

interface Filter {
  readonly all: boolean;
  readonly inactive: boolean;
  readonly persistent: boolean;
  readonly transient: boolean;
  readonly autostart: boolean | undefined;
  readonly 'state-running': boolean;
  readonly 'state-paused': boolean;
  readonly 'state-shutoff': boolean;
  readonly 'state-other': boolean;
}

/** As in virsh: filters of one kind widen each other, those of different kinds narrow. */
function isAsked(row: DomainRow, filter: Filter): boolean {
  const states = statesOf(filter);
  if (!filter.all && !states.includes('shut off') && filter.inactive !== (row.id === null)) return false;
  if (filter.persistent !== filter.transient && filter.persistent !== row.persistent) return false;
  if (filter.autostart !== undefined && filter.autostart !== row.autostart) return false;
  const word = named.find((one) => one === row.state) ?? 'other';
  return states.length === 0 || states.includes(word);
}

const named = ['running', 'paused', 'shut off'] as const;

function statesOf(filter: Filter): ((typeof named)[number] | 'other')[] {
  return [
    ...(filter['state-running'] ? (['running'] as const) : []),
    ...(filter['state-paused'] ? (['paused'] as const) : []),
    ...(filter['state-shutoff'] ? (['shut off'] as const) : []),
    ...(filter['state-other'] ? (['other'] as const) : []),
  ];
}
