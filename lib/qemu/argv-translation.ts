/** IOMMU and crypto cards as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { Iommu } from '../domain/translation.ts';
import { type Part, device, given, impossible, json, onOff, pciDevice } from './arguments.ts';
import { machineFamily } from './machine-family.ts';

/** The IOMMU, which must be there before what it translates for. Throws INVALID_XML for a board without one. */
export function iommuParts({ iommu, os }: Domain): Part[] {
  if (iommu === null) return [];
  if (iommu.model === 'virtio')
    return [pciDevice('iommu', iommu.address, { driver: 'virtio-iommu-pci', id: 'iommu0' })];
  if (machineFamily(os.machine) !== 'q35')
    throw impossible(`machine type ${os.machine} has no intel IOMMU`, "use machine='q35', or <iommu model='virtio'>");
  return device({ driver: 'intel-iommu', id: 'iommu0', ...intelOptions(iommu) });
}

/** QEMU has switches of three positions for two of them. */
function intelOptions({ intremap, cachingMode, eim, iotlb, awBits, dmaTranslation }: Iommu): object {
  const positions = (value: boolean | null): string | null => (value === null ? null : onOff(value));
  return {
    ...given('intremap', positions(intremap)),
    ...given('caching-mode', cachingMode),
    ...given('eim', positions(eim)),
    ...given('device-iotlb', iotlb),
    ...given('aw-bits', awBits),
    ...given('dma-translation', dmaTranslation),
  };
}

/** Crypto cards, each a back end and a device. */
export function cryptoParts({ cryptos }: Domain): Part[] {
  return cryptos.flatMap(({ backend, queues, address }, index): Part[] => {
    const cryptodev = `objcrypto${index}`;
    return [
      ...json('-object', { 'qom-type': `cryptodev-backend-${backend}`, id: cryptodev, ...given('queues', queues) }),
      pciDevice('crypto', address, { driver: 'virtio-crypto-pci', cryptodev, id: `crypto${index}` }),
    ];
  });
}
