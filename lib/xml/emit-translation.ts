/** IOMMU, crypto cards, and what is given to QEMU as it is -> XML. */
import type { Crypto, Iommu, QemuCommandline } from '../domain/translation.ts';
import { addressTag } from './addresses.ts';
import { qemuNamespace } from './namespaces.ts';
import { onOff, tag, type Tag } from './serialize.ts';

/** `<iommu>`. */
export function iommu({ model, address, ...options }: Iommu): Tag {
  const driver = {
    intremap: onOff(options.intremap),
    caching_mode: onOff(options.cachingMode),
    eim: onOff(options.eim),
    iotlb: onOff(options.iotlb),
    aw_bits: options.awBits,
    dma_translation: onOff(options.dmaTranslation),
  };
  const isPlain = Object.values(driver).every((value) => value === null);
  return tag('iommu', { model }, [isPlain ? null : tag('driver', driver), addressTag(address)]);
}

/** `<crypto>`. */
export function crypto({ backend: model, queues, address }: Crypto): Tag {
  return tag('crypto', { model: 'virtio', type: 'qemu' }, [tag('backend', { model, queues }), addressTag(address)]);
}

/** `<qemu:commandline>`, with the declaration of its prefix. */
export function commandline({ args, env }: QemuCommandline): Tag {
  return tag('qemu:commandline', { 'xmlns:qemu': qemuNamespace }, [
    ...args.map((value) => tag('qemu:arg', { value })),
    ...env.map(({ name, value }) => tag('qemu:env', { name, value })),
  ]);
}
