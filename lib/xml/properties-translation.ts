/** Lines of the table: IOMMU, crypto cards, and what is given to QEMU as it is. */
import { wholeNumber } from './numbers.ts';
import { onPci } from './properties-shapes.ts';
import { by, first, holder, missing, only, required, several, under, value, whole } from './property.ts';
import { argument, environmentName, flag } from './values.ts';

const onOff = value(flag('on', 'off'));
const ownWords = 'remove it; domctl has no words for it';

export const translation = {
  ...under('/domain/devices/iommu', {
    '': first(by('model', null, holder)),
    '/@model': required(only('intel', 'virtio')),
    '[intel]/driver': whole(holder),
    '[intel]/driver/@intremap': onOff,
    '[intel]/driver/@caching_mode': onOff,
    '[intel]/driver/@eim': onOff,
    '[intel]/driver/@iotlb': onOff,
    '[intel]/driver/@aw_bits': value(wholeNumber(1, 64)),
    '[intel]/driver/@dma_translation': onOff,
    ...onPci,
  }),
  ...under('/domain/devices/crypto', {
    '': several(holder),
    '/@model': required(only('virtio')),
    '/@type': required(only('qemu')),
    '/backend': required(holder),
    '/backend/@model': required(only('builtin', 'lkcf')),
    '/backend/@queues': value(wholeNumber(1, 65535)),
    ...onPci,
  }),
  // In libvirt's namespace for QEMU, whatever prefix a document has for it.
  ...under('/domain/qemu:commandline', {
    '': whole(holder),
    '/qemu:arg': several(holder),
    '/qemu:arg/@value': required(value(argument)),
    '/qemu:env': several(holder),
    '/qemu:env/@name': required(value(environmentName)),
    '/qemu:env/@value': value(argument),
  }),
  '/domain/qemu:capabilities': missing(ownWords),
  '/domain/qemu:override': missing(ownWords),
  '/domain/qemu:deprecation': missing(ownWords),
} as const;
