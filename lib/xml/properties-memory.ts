/** Lines of the table: room for memory, and the modules in it. */
import { amount, bigAddress, integer, nodeSet, unit, wholeNumber } from './numbers.ts';
import { alias } from './properties-shapes.ts';
import { by, holder, ignored, only, required, several, under, value, whole, words } from './property.ts';
import { flag } from './values.ts';

const most = Number.MAX_SAFE_INTEGER;
const yesNo = value(flag('yes', 'no'));

export const memory = {
  '/domain/maxMemory': value(amount),
  '/domain/maxMemory/@unit': value(unit),
  // ACPI has no more.
  '/domain/maxMemory/@slots': value(wholeNumber(0, 256)),
  ...under('/domain/devices/memory', {
    '': several(holder),
    '/@model': required(only('dimm')),
    '/@access': words('private', 'shared'),
    '/@discard': yesNo,
    '/source': holder,
    '/source/pagesize': value(amount),
    '/source/pagesize/@unit': value(unit),
    '/source/nodemask': value(nodeSet),
    '/target': required(holder),
    '/target/size': required(value(amount)),
    '/target/size/@unit': value(unit),
    '/target/node': value(wholeNumber(0, 127)),
    ...alias,
    '/address': whole(by('type', null, holder)),
    '/address/@type': required(only('dimm')),
    '/address[dimm]/@slot': value(wholeNumber(0, 255)),
    '/address[dimm]/@base': value(bigAddress),
  }),
  '/domain/vcpus': ignored(holder),
  '/domain/vcpus/vcpu': several(ignored(holder)),
  '/domain/vcpus/vcpu/@id': required(ignored(value(wholeNumber(0, 65534)))),
  '/domain/vcpus/vcpu/@enabled': required(ignored(yesNo)),
  '/domain/vcpus/vcpu/@hotpluggable': ignored(yesNo),
  '/domain/vcpus/vcpu/@order': ignored(value(integer(1, most))),
} as const;
