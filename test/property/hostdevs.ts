/** Any devices of the host, sockets to it and stores of errors, as long as they keep the rules of `lib/xml/rules-*.ts`. */
import { fc } from '@fast-check/vitest';
import { type Hostdev, pciName, scsiName, usbName } from '../../lib/domain/hostdev.ts';
import type { Rom } from '../../lib/domain/rom.ts';
import type { Pstore, Vsock } from '../../lib/domain/links.ts';
import type { Shmem } from '../../lib/domain/shmem.ts';
import { maybe, number, oneOf, path } from './arbitrary.ts';
import { virtioModel, virtioOptions } from './small.ts';

const nowhere = fc.constant(null);

export const rom: fc.Arbitrary<Rom | null> = fc.oneof(
  fc.constant(null),
  fc.constant({ enabled: false, bar: null, file: null }),
  fc
    .record({ enabled: fc.constant(true), bar: maybe(fc.boolean()), file: maybe(path) })
    .filter(({ bar, file }) => bar !== null || file !== null),
);

const passed = { managed: fc.boolean(), bootOrder: nowhere, address: nowhere };

const hostdev: fc.Arbitrary<Hostdev> = fc.oneof(
  fc.record({
    type: fc.constant('pci' as const),
    source: fc.record({ domain: number(0, 0xffff), bus: number(0, 0xff), slot: number(0, 31), function: number(0, 7) }),
    rom,
    ...passed,
  }),
  fc
    .record({
      type: fc.constant('usb' as const),
      kind: maybe(fc.record({ vendor: number(0, 0xffff), product: number(0, 0xffff) })),
      place: maybe(fc.record({ bus: number(0, 999), device: number(0, 999) })),
      guestReset: maybe(oneOf('off', 'uninitialized', 'on')),
      ...passed,
    })
    .filter(({ kind, place }) => kind !== null || place !== null),
  fc.record({
    type: fc.constant('mdev' as const),
    uuid: fc.uuid(),
    display: fc.constant(false),
    ramfb: maybe(fc.constant(false)),
    ...passed,
  }),
);

const place = { bus: number(0, 0xff), target: number(0, 0xffff), unit: number(0, 0xffff) };

const portal = fc.record({
  transport: fc.constant('tcp' as const),
  name: fc.stringMatching(/^[a-z0-9]{1,8}$/),
  port: maybe(number(1, 65_535)),
});

const scsi: fc.Arbitrary<Hostdev> = fc.record({
  type: fc.constant('scsi' as const),
  readonly: fc.boolean(),
  source: fc.oneof(
    fc.record({ type: fc.constant('adapter' as const), host: number(0, 999_999), ...place }),
    fc.record({
      ...{ type: fc.constant('network' as const), protocol: fc.constant('iscsi' as const), query: nowhere },
      ...{ snapshot: nowhere, config: nowhere, user: nowhere, group: nowhere },
      ...{ verifiesServer: nowhere, readaheadBytes: nowhere, timeoutSeconds: nowhere },
      name: fc.stringMatching(/^iqn\.[a-z0-9:,.]{1,20}(\/[0-9]{1,3})?$/),
      hosts: portal.map((one) => [one]),
      initiator: maybe(fc.stringMatching(/^iqn\.[a-z0-9]{1,9}$/)),
    }),
  ),
  ...passed,
});

function sourceOf(one: Hostdev): unknown {
  if (one.type === 'pci') return pciName(one.source);
  if (one.type === 'mdev') return one.uuid;
  if (one.type === 'scsi') return one.source.type === 'adapter' ? scsiName(one.source) : Symbol();
  return one.place === null ? Symbol() : usbName(one.place);
}

const vsock: fc.Arbitrary<Vsock> = fc.record({
  model: virtioModel,
  cid: maybe(number(3, 0xfffffffe)),
  virtio: virtioOptions,
  address: nowhere,
});

const pstore: fc.Arbitrary<Pstore> = fc.record({
  path,
  sizeBytes: number(1, 1024).map((records) => records * 8192),
  address: nowhere,
});

const sharing = { name: fc.stringMatching(/^[a-z0-9 <&'.-]{3,9}$/), address: nowhere };

const shmem: fc.Arbitrary<Shmem> = fc.oneof(
  fc.record({
    ...sharing,
    model: fc.constant('ivshmem-plain' as const),
    role: maybe(oneOf('master', 'peer')),
    sizeBytes: number(20, 40).map((bits) => 2 ** bits),
  }),
  fc.record({
    ...sharing,
    model: fc.constant('ivshmem-doorbell' as const),
    role: maybe(fc.constant('peer' as const)),
    server: maybe(fc.stringMatching(/^\/[a-z0-9,/.-]{1,80}$/)),
    vectors: maybe(number(1, 2048)),
    ioeventfd: fc.boolean(),
  }),
);

/** Each of their parts. */
export const hostdevs = {
  hostdevs: fc.uniqueArray(fc.oneof(hostdev, scsi), { selector: sourceOf, maxLength: 3 }),
  vsock: maybe(vsock),
  pstore: maybe(pstore),
  shmems: fc.uniqueArray(shmem, { selector: ({ name }) => name, maxLength: 3 }),
};
