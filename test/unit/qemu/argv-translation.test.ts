import { describe, expect, test } from 'vitest';
import type { Iommu } from '../../../lib/domain/translation.ts';
import { balloon, entropy, input } from '../../fixtures/qmp/small.ts';
import { argvOf, deviceOf, objectsOf, onMachine } from './argv-of.ts';

const invalid = expect.objectContaining({ code: 'INVALID_XML', hint: expect.any(String) });

describe('an IOMMU', () => {
  const iommu: Iommu = {
    model: 'intel',
    intremap: true,
    cachingMode: true,
    eim: false,
    iotlb: true,
    awBits: 48,
    dmaTranslation: false,
    address: null,
  };

  test('of intel’s is before every other device, with QEMU’s words for its options', () => {
    const [first] = objectsOf('-device', argvOf({ iommu }));
    expect(first).toEqual({
      driver: 'intel-iommu',
      id: 'iommu0',
      intremap: 'on',
      'caching-mode': true,
      eim: 'off',
      'device-iotlb': true,
      'aw-bits': 48,
      'dma-translation': false,
    });
    expect(() => argvOf({ ...onMachine('pc'), iommu })).toThrow(invalid);
  });

  test('of virtio’s is on the root bus of either board', () => {
    const virtio = { ...iommu, model: 'virtio' } as const;
    expect(deviceOf('iommu0', argvOf({ iommu: virtio }))).toMatchObject({ driver: 'virtio-iommu-pci', bus: 'pcie.0' });
    expect(deviceOf('iommu0', argvOf({ ...onMachine('pc'), iommu: virtio }))).toMatchObject({ bus: 'pci.0' });
  });
});

test('a crypto card has its back end', () => {
  const argv = argvOf({ cryptos: [{ backend: 'builtin', queues: 2, address: null }] });
  expect(objectsOf('-object', argv)).toContainEqual({
    'qom-type': 'cryptodev-backend-builtin',
    id: 'objcrypto0',
    queues: 2,
  });
  expect(deviceOf('crypto0', argv)).toMatchObject({ driver: 'virtio-crypto-pci', cryptodev: 'objcrypto0' });
});

describe('a virtio device', () => {
  const virtio = { iommu: true, ats: false, packed: null, pagePerQueue: true };
  const expected = { iommu_platform: true, ats: false, 'page-per-vq': true };

  test('is told how it talks to the host', () => {
    const argv = argvOf({
      inputs: [input('mouse', 'virtio', { virtio })],
      memballoon: balloon({ virtio }),
      rngs: [entropy({ virtio })],
    });
    for (const id of ['input0', 'balloon0', 'rng0']) expect(deviceOf(id, argv)).toMatchObject(expected);
    expect(deviceOf('input0', argv)).not.toHaveProperty('packed');
  });

  test('may be an old one, which is no PCI Express card', () => {
    const argv = argvOf({
      memballoon: balloon({ model: 'virtio-transitional' }),
      rngs: [entropy({ model: 'virtio-non-transitional' })],
    });
    expect(deviceOf('balloon0', argv)).toMatchObject({ driver: 'virtio-balloon-pci-transitional', bus: 'pcie.0' });
    expect(deviceOf('rng0', argv)).toMatchObject({ driver: 'virtio-rng-pci-non-transitional', bus: 'pci.1' });
  });
});

test('a balloon may give back by itself', () => {
  const argv = argvOf({ memballoon: balloon({ freePageReporting: true }) });
  expect(deviceOf('balloon0', argv)).toMatchObject({ 'free-page-reporting': true });
});

describe('an input device of the host', () => {
  const source = { path: '/dev/input/event0', grabAll: true, repeat: false, grabToggle: 'ctrl-ctrl' } as const;

  test('is virtio’s, or feeds those of the guest', () => {
    const argv = argvOf({ inputs: [input('passthrough', 'virtio', { source }), input('evdev', null, { source })] });
    expect(deviceOf('input0', argv)).toMatchObject({ driver: 'virtio-input-host-pci', evdev: '/dev/input/event0' });
    expect(objectsOf('-object', argv)).toContainEqual({
      'qom-type': 'input-linux',
      id: 'input1',
      evdev: '/dev/input/event0',
      grab_all: true,
      repeat: false,
      'grab-toggle': 'ctrl-ctrl',
    });
  });
});

test('what is given to QEMU as it is comes last but for the confinement, and is not looked at', () => {
  const argv = argvOf({ qemuCommandline: { args: ['-device', 'no,json', 'word'], env: [] } });
  const at = argv.indexOf('no,json');
  expect(argv.slice(at - 1, at + 3)).toEqual(['-device', 'no,json', 'word', '-sandbox']);
});
