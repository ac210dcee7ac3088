/** What `<driver>` of a virtio device says of virtio: XML -> model and back. */
import { isPlainVirtio, plainVirtio, type VirtioOptions } from '../domain/virtio.ts';
import type { Known } from './known.ts';
import { onOff, tag, type Tag } from './serialize.ts';

/** What the `<driver>` of a device says. */
export function readDriver(device: Known): VirtioOptions {
  const driver = device.children.find(({ key }) => key === `${device.key}/driver`);
  if (driver === undefined) return plainVirtio;
  const read = (name: string): boolean | null => {
    const given = driver.values.get(`${driver.key}/@${name}`);
    return typeof given === 'boolean' ? given : null;
  };
  return { iommu: read('iommu'), ats: read('ats'), packed: read('packed'), pagePerQueue: read('page_per_vq') };
}

/** `<driver>`; null: it would say nothing. */
export function driverTag(options: VirtioOptions): Tag | null {
  return isPlainVirtio(options) ? null : tag('driver', virtioAttributes(options));
}

/** The attributes of `<driver>`, for devices which say more there. */
export function virtioAttributes({
  iommu,
  ats,
  packed,
  pagePerQueue,
}: VirtioOptions): Readonly<Record<string, string | null>> {
  return { iommu: onOff(iommu), ats: onOff(ats), packed: onOff(packed), page_per_vq: onOff(pagePerQueue) };
}
