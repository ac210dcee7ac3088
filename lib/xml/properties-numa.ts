/** Lines of the table: nodes of the guest, and of the host below them. */
import { amount, cpuSet, nodeSet, unit, wholeNumber } from './numbers.ts';
import { holder, missing, only, part, required, several, told, under, value, whole, words } from './property.ts';
import { flag, supportedBut } from './values.ts';

// QEMU's MAX_NODES is 128.
const cell = value(wholeNumber(0, 127));
const mode = only('strict', 'preferred', 'interleave');

export const numa = {
  ...under('/domain/cpu/numa', {
    '': whole(holder),
    '/cell': required(several(holder)),
    '/cell/@id': cell,
    '/cell/@cpus': value(cpuSet),
    '/cell/@memory': required(value(amount)),
    '/cell/@unit': value(unit),
    '/cell/@memAccess': words('private', 'shared'),
    '/cell/@discard': value(flag('yes', 'no')),
    '/cell/distances': holder,
    '/cell/distances/sibling': several(holder),
    '/cell/distances/sibling/@id': required(cell),
    '/cell/distances/sibling/@value': required(value(wholeNumber(10, 255))),
    '/cell/cache': missing(),
    '/interconnects': missing(),
  }),
  ...under('/domain/numatune', {
    '': whole(holder),
    '/memory': holder,
    '/memory/@mode': mode,
    '/memory/@nodeset': told(value(nodeSet)),
    '/memory/@placement': part(supportedBut({ auto: 'name the nodes: nodeset="0-1"; no numad is asked' }, 'static')),
    '/memnode': several(holder),
    '/memnode/@cellid': required(cell),
    '/memnode/@mode': mode,
    '/memnode/@nodeset': required(value(nodeSet)),
  }),
} as const;
