/** Lines that virtio devices share: how they talk to their driver. */
import { only, value } from './property.ts';
import { flag } from './values.ts';

const onOff = value(flag('on', 'off'));

/** Attributes of the `<driver>` of a virtio device; to be continued from that element. */
export const virtioDriver = {
  '/@iommu': onOff,
  '/@ats': onOff,
  '/@packed': onOff,
  '/@page_per_vq': onOff,
} as const;

/** The models of a virtio device. */
export const virtioModels = ['virtio', 'virtio-transitional', 'virtio-non-transitional'] as const;

/** A device that is virtio or nothing. */
export const virtioModel = only(...virtioModels);
