/** XML -> IOMMU, crypto cards, and what is given to QEMU as it is. */
import type { Domain } from '../domain/definition.ts';
import type { Iommu, QemuCommandline } from '../domain/translation.ts';
import { readPlace } from './addresses.ts';
import { devicesAt, find, findAll, need, valueAt, type Known } from './known.ts';

/** All of them. */
export function readTranslation(domain: Known): Pick<Domain, 'iommu' | 'cryptos' | 'qemuCommandline'> {
  return {
    iommu: readIommu(domain),
    cryptos: devicesAt(domain, '/domain/devices/crypto').map((crypto) => ({
      backend: need(crypto, '/domain/devices/crypto/backend/@model'),
      queues: valueAt(crypto, '/domain/devices/crypto/backend/@queues') ?? null,
      address: readPlace(crypto),
    })),
    qemuCommandline: readCommandline(domain),
  };
}

function readIommu(domain: Known): Iommu | null {
  const key = '/domain/devices/iommu';
  const iommu = find(domain, key);
  if (iommu === undefined) return null;
  return {
    model: need(iommu, `${key}/@model`),
    intremap: valueAt(iommu, `${key}/driver/@intremap`) ?? null,
    cachingMode: valueAt(iommu, `${key}/driver/@caching_mode`) ?? null,
    eim: valueAt(iommu, `${key}/driver/@eim`) ?? null,
    iotlb: valueAt(iommu, `${key}/driver/@iotlb`) ?? null,
    awBits: valueAt(iommu, `${key}/driver/@aw_bits`) ?? null,
    dmaTranslation: valueAt(iommu, `${key}/driver/@dma_translation`) ?? null,
    address: readPlace(iommu),
  };
}

function readCommandline(domain: Known): QemuCommandline | null {
  const key = '/domain/qemu:commandline';
  const commandline = find(domain, key);
  if (commandline === undefined) return null;
  return {
    args: findAll(commandline, key, `${key}/qemu:arg`).map((arg) => need(arg, `${key}/qemu:arg/@value`)),
    env: findAll(commandline, key, `${key}/qemu:env`).map((env) => ({
      name: need(env, `${key}/qemu:env/@name`),
      value: valueAt(env, `${key}/qemu:env/@value`) ?? null,
    })),
  };
}
