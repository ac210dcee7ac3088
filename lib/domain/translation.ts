/** Devices that stand between a guest and its other devices. Pure data. null: QEMU's default. */
import type { Address } from './devices.ts';

/** An IOMMU. `virtio` has no options of its own. */
export interface Iommu {
  readonly model: 'intel' | 'virtio';
  readonly intremap: boolean | null;
  readonly cachingMode: boolean | null;
  readonly eim: boolean | null;
  readonly iotlb: boolean | null;
  readonly awBits: number | null;
  readonly dmaTranslation: boolean | null;
  /** Of the model virtio. */
  readonly address: Address | null;
}

/** A card that computes ciphers, on the host's processor. */
export interface Crypto {
  readonly backend: 'builtin' | 'lkcf';
  readonly queues: number | null;
  readonly address: Address | null;
}

/** `<qemu:commandline>`: what is given to QEMU as it is; only where host.yaml allows it. */
export interface QemuCommandline {
  readonly args: readonly string[];
  /** value null: empty. */
  readonly env: readonly { readonly name: string; readonly value: string | null }[];
}
