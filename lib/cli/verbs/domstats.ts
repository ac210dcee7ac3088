import type { Client } from '../../client/client.ts';
import type { DomainStats } from '../../client/figures.ts';
import { DomctlError } from '../../errors.ts';
import { type Context, defineVerb, forEachDomain } from '../command.ts';
import { renderStats, type StatsGroup, statsGroups } from '../render/stats.ts';

export const domstats = defineVerb({
  usage: 'domstats [domain..]',
  describe: "Print figures of domains under virsh's names, and those domctl accounts for; without a domain: of all",
  examples: [
    ['domctl domstats web1 --block', 'requests, bytes and times of its disks'],
    ['domctl domstats --domctl', 'held, promised and draining bytes of every domain'],
  ],
  build: (yargs) =>
    yargs
      .positional('domain', { type: 'string', array: true, default: [] as string[], describe: 'Names, UUIDs or ids' })
      .option('state', group("state and reason, libvirt's numbers"))
      .option('cpu-total', group('processor time'))
      .option('balloon', group('memory of the guest'))
      .option('vcpu', group('virtual processors'))
      .option('interface', group('network'))
      .option('block', group('disks'))
      .option('domctl', group('held, promised, draining bytes; memory pressure')),
  async run(options, context) {
    const asked = statsGroups.filter((name) => options[name]);
    const chosen = asked.length === 0 ? statsGroups : asked;
    const client = await context.connect();
    if (options.domain.length === 0) return showAll(client, chosen, context);
    const show = separated(context);
    return forEachDomain(options.domain, context, async (domain) => {
      show(await client.stats(domain), chosen);
      return 0;
    });
  },
});

/** Every group is printed unless some are named. */
function group(describe: string) {
  return { type: 'boolean', default: false, describe: `Only: ${describe}` } as const;
}

/** A domain that goes while it is asked about is left out. */
async function showAll(client: Client, chosen: readonly StatsGroup[], context: Context): Promise<number> {
  const rows = await client.list();
  const all = await Promise.all(rows.map(async ({ name }) => unlessGone(client.stats(name))));
  const show = separated(context);
  for (const stats of all) if (stats) show(stats, chosen);
  return 0;
}

async function unlessGone(asked: Promise<DomainStats>): Promise<DomainStats | null> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof DomctlError && error.code === 'NO_SUCH_DOMAIN') return null;
    throw error;
  }
}

/** Blocks with a blank line between them. */
function separated(context: Context): (stats: DomainStats, chosen: readonly StatsGroup[]) => void {
  let isFirst = true;
  return (stats, chosen) => {
    context.say(`${isFirst ? '' : '\n'}${renderStats(stats, chosen).trimEnd()}`);
    context.answer(stats);
    isFirst = false;
  };
}
