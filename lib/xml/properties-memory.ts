/** Lines of the table: room for memory, and the modules in it. */
import { amount, bigAddress, integer, nodeSet, unit, wholeNumber, zeroOrMore } from './numbers.ts';
import { onPci } from './properties-shapes.ts';
import { by, holder, ignored, only, part, required, several, under, value, whole, words } from './property.ts';
import { flag, supportedBut, text } from './values.ts';

const most = Number.MAX_SAFE_INTEGER;
const asDimm = "write model='dimm' or model='virtio-mem'";
const yesNo = value(flag('yes', 'no'));

export const memory = {
  '/domain/maxMemory': value(amount),
  '/domain/maxMemory/@unit': value(unit),
  // ACPI has no more.
  '/domain/maxMemory/@slots': value(wholeNumber(0, 256)),
  ...under('/domain/devices/memory', {
    '': several(by('model', null, holder)),
    '/@model': required(
      part(supportedBut({ nvdimm: asDimm, 'virtio-pmem': asDimm, 'sgx-epc': asDimm }, 'dimm', 'virtio-mem')),
    ),
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
    '[virtio-mem]/target/@dynamicMemslots': yesNo,
    '[virtio-mem]/target/block': value(amount),
    '[virtio-mem]/target/block/@unit': value(unit),
    '[virtio-mem]/target/requested': required(value(zeroOrMore)),
    '[virtio-mem]/target/requested/@unit': value(unit),
    // Of a running machine: what the guest has taken.
    '[virtio-mem]/target/current': ignored(value(text)),
    '[virtio-mem]/target/current/@unit': ignored(value(unit)),
    '[virtio-mem]/target/address': holder,
    '[virtio-mem]/target/address/@base': required(value(bigAddress)),
    ...onPci,
    '/address/@type': required(only('dimm', 'pci')),
    '/address[dimm]/@slot': value(wholeNumber(0, 255)),
    '/address[dimm]/@base': value(bigAddress),
  }),
  '/domain/vcpus': ignored(holder),
  '/domain/vcpus/vcpu': several(whole(ignored(holder))),
  '/domain/vcpus/vcpu/@id': required(ignored(value(wholeNumber(0, 65534)))),
  '/domain/vcpus/vcpu/@enabled': required(ignored(yesNo)),
  '/domain/vcpus/vcpu/@hotpluggable': ignored(yesNo),
  '/domain/vcpus/vcpu/@order': ignored(value(integer(1, most))),
} as const;
