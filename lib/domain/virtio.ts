/** What every virtio device can be told of how it talks to its driver. Pure data. */

/** `virtio`: QEMU's own choice by the slot; the others are made for one revision of the standard. */
export type VirtioModel = 'virtio' | 'virtio-transitional' | 'virtio-non-transitional';

/** Options of the transport; null: QEMU's default. */
export interface VirtioOptions {
  /** Memory is reached through the guest's IOMMU. */
  readonly iommu: boolean | null;
  readonly ats: boolean | null;
  /** Packed instead of split queues. */
  readonly packed: boolean | null;
  /** A page of notifications for each queue. */
  readonly pagePerQueue: boolean | null;
}

/** Nothing said. */
export const plainVirtio: VirtioOptions = { iommu: null, ats: null, packed: null, pagePerQueue: null };

/** Whether anything is said. */
export function isPlainVirtio(options: VirtioOptions): boolean {
  return Object.values(options).every((each) => each === null);
}
