/** What virtio devices have in common, as QEMU's arguments. Pure. */
import type { VirtioModel, VirtioOptions } from '../domain/virtio.ts';
import { given } from './arguments.ts';

/** The driver for a model: `virtio-blk-pci`, `virtio-blk-pci-transitional`. */
export function virtioDriver(driver: string, model: VirtioModel): string {
  return model === 'virtio' ? driver : `${driver}${model.slice('virtio'.length)}`;
}

/** Properties of a device. */
export function virtioProperties({ iommu, ats, packed, pagePerQueue }: VirtioOptions): object {
  return {
    ...given('iommu_platform', iommu),
    ...given('ats', ats),
    ...given('packed', packed),
    ...given('page-per-vq', pagePerQueue),
  };
}
