/** domid, domuuid, domname: one of a domain's names for another, a bare value as in virsh. */
import type { DomainInfo } from '../../client/contract.ts';
import { defineVerb } from '../command.ts';

function naming(
  verb: string,
  describe: string,
  example: readonly [string, string],
  pick: (info: DomainInfo) => string,
) {
  return defineVerb({
    usage: `${verb} <domain>`,
    describe,
    examples: [example],
    build: (yargs) => yargs.positional('domain', { type: 'string', demandOption: true, describe: 'Name, UUID or id' }),
    async run({ domain }, context) {
      const client = await context.connect();
      const info = await client.info(domain);
      context.say(pick(info));
      context.answer({ name: info.name, uuid: info.uuid, id: info.id });
      return 0;
    },
  });
}

export const domid = naming(
  'domid',
  "Print the id of a domain's incarnation; - when it is off",
  ['domctl domid web1', 'the number that names this launch, and no other'],
  ({ id }) => (id === null ? '-' : String(id)),
);

export const domuuid = naming(
  'domuuid',
  "Print a domain's UUID",
  ['domctl domuuid web1', 'by name or id'],
  ({ uuid }) => uuid,
);

export const domname = naming(
  'domname',
  "Print a domain's name",
  ['domctl domname 38', 'by id or UUID'],
  ({ name }) => name,
);
