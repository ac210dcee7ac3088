/** Any small devices, as long as they keep the rules of `lib/xml/rules-*.ts`. */
import { fc } from '@fast-check/vitest';
import type { Input, Memballoon } from '../../lib/domain/devices.ts';
import type { Crypto, Iommu, QemuCommandline } from '../../lib/domain/translation.ts';
import type { VirtioOptions } from '../../lib/domain/virtio.ts';
import { input } from '../fixtures/qmp/small.ts';
import { content, maybe, number, oneOf, path } from './arbitrary.ts';

const nowhere = fc.constant(null);
const position = maybe(fc.boolean());

/** Of a virtio device that may be an old one. */
export const virtioModel = oneOf('virtio', 'virtio-transitional', 'virtio-non-transitional');

/** What a virtio device is told. */
export const virtioOptions: fc.Arbitrary<VirtioOptions> = fc.record({
  iommu: position,
  ats: position,
  packed: position,
  pagePerQueue: position,
});

const source = fc.record({
  path,
  grabAll: fc.boolean(),
  repeat: position,
  grabToggle: maybe(oneOf('ctrl-ctrl', 'scrolllock')),
});

const anyInput: fc.Arbitrary<Input> = fc.oneof(
  fc
    .record({ type: oneOf('tablet', 'mouse', 'keyboard'), bus: oneOf('usb', 'ps2') })
    .filter(({ type, bus }) => type !== 'tablet' || bus !== 'ps2')
    .map(({ type, bus }) => input(type, bus)),
  fc
    .record({ type: oneOf('tablet', 'mouse', 'keyboard'), virtio: virtioOptions })
    .map(({ type, virtio }) => input(type, 'virtio', { virtio })),
  fc.record({ path, virtio: virtioOptions }).map(({ path: device, virtio }) => {
    const evdev = { path: device, grabAll: false, repeat: null, grabToggle: null };
    return input('passthrough', 'virtio', { source: evdev, virtio });
  }),
  source.map((one) => input('evdev', null, { source: one })),
);

const memballoon: fc.Arbitrary<Memballoon> = fc.record({
  model: fc.oneof(virtioModel, fc.constant('none' as const)),
  autodeflate: fc.boolean(),
  freePageReporting: position,
  statsPeriodSeconds: maybe(number(1, 999)),
  virtio: virtioOptions,
  address: nowhere,
});

const iommu: fc.Arbitrary<Iommu> = fc.record({
  model: fc.constant('intel' as const),
  intremap: fc.constant(true),
  cachingMode: position,
  eim: position,
  iotlb: position,
  awBits: maybe(number(1, 64)),
  dmaTranslation: position,
  address: nowhere,
});

const crypto: fc.Arbitrary<Crypto> = fc.record({
  backend: oneOf('builtin', 'lkcf'),
  queues: maybe(number(1, 9)),
  address: nowhere,
});

const commandline: fc.Arbitrary<QemuCommandline> = fc.record({
  args: fc.array(content, { minLength: 1, maxLength: 3 }),
  env: fc.array(fc.record({ name: fc.stringMatching(/^[A-Z_]{1,9}$/), value: maybe(content) }), { maxLength: 2 }),
});

/** Each of their lists. */
export const small = {
  inputs: fc.array(anyInput, { maxLength: 3 }),
  memballoon,
  iommu: maybe(iommu),
  cryptos: fc.array(crypto, { maxLength: 1 }),
  qemuCommandline: maybe(commandline),
};
