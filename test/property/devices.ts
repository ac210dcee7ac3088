/** Any devices, as long as they keep the rules of `lib/xml/rules-*.ts`. They have no addresses yet. */
import { fc } from '@fast-check/vitest';
import type {
  Backend,
  BackendLog,
  Channel,
  Controller,
  Disk,
  DiskDriver,
  Filesystem,
  Interface,
  Parallel,
  Rng,
  Serial,
  Tpm,
} from '../../lib/domain/devices.ts';
import type { DiskHardware, DiskThrottle } from '../../lib/domain/disk-hardware.ts';
import {
  cardModels,
  type CardDriver,
  type CardSocket,
  type CardType,
  hasTap,
  isUsbCard,
  isVirtio,
  plainCardDriver,
} from '../../lib/domain/network.ts';
import type { BackingChain, NetworkSource } from '../../lib/domain/disk-source.ts';
import { plainFileServer } from '../../lib/domain/filesystems.ts';
import { plainVirtio } from '../../lib/domain/virtio.ts';
import { server } from '../fixtures/qmp/sources.ts';
import { mac, maybe, number, oneOf, path, word } from './arbitrary.ts';
import { hostdevs, rom } from './hostdevs.ts';
import { redirection } from './redirection.ts';
import { screens } from './screens.ts';
import { small, virtioModel, virtioOptions } from './small.ts';

const nowhere = fc.constant(null);

const oneSize = fc.constantFrom(2, 128, 256, 1024);

const driver: fc.Arbitrary<DiskDriver> = fc
  .record({
    cache: maybe(oneOf('none', 'writeback', 'writethrough', 'directsync', 'unsafe')),
    io: maybe(oneOf('native', 'threads', 'io_uring')),
    discard: maybe(oneOf('unmap', 'ignore')),
    detectZeroes: maybe(oneOf('off', 'on', 'unmap')),
    errorPolicy: maybe(oneOf('stop', 'report', 'ignore', 'enospace')),
    readErrorPolicy: maybe(oneOf('stop', 'report', 'ignore')),
    queues: maybe(number(1, 1024)),
    iothread: nowhere,
    queueSize: maybe(oneSize),
    ioeventfd: maybe(fc.boolean()),
    eventIdx: maybe(fc.boolean()),
    copyOnRead: maybe(fc.boolean()),
    discardNoUnref: maybe(fc.boolean()),
  })
  .map((one) => ({ ...one, cache: one.io === 'native' ? 'none' : one.cache }));

const made = fc.stringMatching(/^[!-~]{1,8}$/);

const hardware: fc.Arbitrary<DiskHardware> = fc.record({
  wwn: maybe(fc.stringMatching(/^[\da-f]{16}$/)),
  vendor: maybe(made),
  product: maybe(made),
  rotationRate: maybe(number(1, 65_534)),
  removable: maybe(fc.boolean()),
  geometry: maybe(
    fc.record({
      cylinders: number(1, 65_535),
      heads: number(1, 16),
      sectors: number(1, 63),
      translation: maybe(oneOf('none', 'lba', 'auto')),
    }),
  ),
  logicalBlockBytes: fc.constant(512),
  physicalBlockBytes: maybe(fc.constantFrom(512, 4096)),
  discardGranularityBytes: maybe(number(0, 65_536)),
});

const throttle: fc.Arbitrary<DiskThrottle> = fc
  .record({ total: number(1, 2 ** 40), reads: number(1, 2 ** 30), length: number(1, 60), group: maybe(word) })
  .map(({ total, reads, length, group }) => ({
    limits: {
      total_bytes_sec: total,
      total_bytes_sec_max: total,
      total_bytes_sec_max_length: length,
      read_iops_sec: reads,
    },
    group,
  }));

const exported = fc.stringMatching(/^[!-~]{1,30}$/);

const nbd: fc.Arbitrary<NetworkSource> = fc
  .record({
    name: maybe(exported),
    host: fc.oneof(
      fc.record({
        transport: fc.constant('tcp' as const),
        name: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
        port: maybe(number(1, 65_535)),
      }),
      fc.record({ transport: fc.constant('unix' as const), socket: path }),
    ),
  })
  .map(({ name, host }) => server({ protocol: 'nbd', name, hosts: [host] }));

const backing: fc.Arbitrary<BackingChain> = fc.record({
  images: fc.array(
    fc.record({
      source: fc.oneof(fc.record({ type: oneOf('file', 'block'), path }), nbd),
      format: fc.constant('qcow2' as const),
    }),
    { maxLength: 3 },
  ),
  ends: fc.boolean(),
});

/** What a disk on that bus cannot have is taken away. */
function fitting({ bus, device, format, readonly, source, ...one }: Disk): Disk {
  const { hardware: told, driver: rules } = one;
  const isVirtio = bus === 'virtio';
  const isDisk = device === 'disk';
  const turns = isDisk && ['scsi', 'ide', 'sata'].includes(bus);
  const isScsi = bus === 'scsi';
  return {
    ...one,
    ...{ bus, device, format, readonly, source },
    model: isVirtio ? one.model : 'virtio',
    virtio: isVirtio ? one.virtio : plainVirtio,
    throttle: source === null ? null : one.throttle,
    backing: fittingChain(one.backing, format),
    startupPolicy: source === null || source.type === 'network' ? null : one.startupPolicy,
    hardware: {
      ...told,
      wwn: isScsi || bus === 'ide' || bus === 'sata' ? told.wwn : null,
      vendor: isScsi ? told.vendor : null,
      product: isScsi ? told.product : null,
      rotationRate: turns ? told.rotationRate : null,
      removable: isDisk && (isScsi || bus === 'usb') ? told.removable : null,
      geometry:
        told.geometry && (turns || (isVirtio && isDisk))
          ? { ...told.geometry, translation: bus === 'ide' ? told.geometry.translation : null }
          : null,
    },
    driver: {
      ...rules,
      queues: isVirtio ? rules.queues : null,
      queueSize: isVirtio ? rules.queueSize : null,
      ioeventfd: isVirtio ? rules.ioeventfd : null,
      eventIdx: isVirtio ? rules.eventIdx : null,
      copyOnRead: isDisk && !readonly ? rules.copyOnRead : null,
      discardNoUnref: format === 'qcow2' ? rules.discardNoUnref : null,
    },
  };
}

/** A chain of nothing that does not end is not told at all. */
function fittingChain(told: BackingChain | null, format: Disk['format']): BackingChain | null {
  const images = format === 'qcow2' ? (told?.images ?? []) : [];
  return told === null || (images.length === 0 && !told.ends) ? null : { ...told, images };
}

const disk: fc.Arbitrary<Disk> = fc
  .record({
    device: oneOf('disk', 'cdrom'),
    source: fc.oneof(fc.record({ type: oneOf('file', 'block'), path }), nbd),
    backing: maybe(backing),
    startupPolicy: maybe(oneOf('mandatory', 'requisite')),
    isEmpty: fc.boolean(),
    format: oneOf('raw', 'qcow2'),
    target: fc.stringMatching(/^[vsh]d[a-z]{1,3}$/),
    bus: oneOf('virtio', 'scsi', 'sata', 'ide', 'usb'),
    readonly: fc.boolean(),
    shareable: fc.boolean(),
    serial: maybe(fc.stringMatching(/^[\w. +-]{1,36}$/).filter((text) => text.trim() === text)),
    model: virtioModel,
    virtio: virtioOptions,
    hardware,
    acpiIndex: nowhere,
    throttle: maybe(throttle),
    driver,
    bootOrder: nowhere,
    address: nowhere,
  })
  .map(({ isEmpty, ...one }) => {
    const isCdrom = one.device === 'cdrom' && one.bus !== 'virtio';
    return fitting({
      ...one,
      device: isCdrom ? 'cdrom' : 'disk',
      source: isCdrom && isEmpty ? null : one.source,
      readonly: isCdrom || one.readonly,
    });
  });

const portForward = fc.record({
  protocol: oneOf('tcp', 'udp'),
  address: maybe(fc.ipV4()),
  hostPort: number(1, 65535),
  guestPort: number(1, 65535),
});

const tapName = fc.stringMatching(/^[A-Za-z0-9_.-]{1,15}$/).filter((name) => !/^(vnet\d*|\.{1,2})$/.test(name));

const cardDriver: fc.Arbitrary<CardDriver> = fc.record({
  rxQueueSize: maybe(fc.constantFrom(256, 512, 1024)),
  txQueueSize: maybe(fc.constantFrom(256, 1024)),
  txMode: maybe(oneOf('iothread', 'timer')),
  ioeventfd: maybe(fc.boolean()),
  eventIdx: maybe(fc.boolean()),
  rss: maybe(fc.boolean()),
  rssHashReport: maybe(fc.boolean()),
  host: fc.record({ csum: fc.boolean(), mrg_rxbuf: fc.boolean() }, { requiredKeys: [] }),
  guest: fc.record({ tso4: fc.boolean(), ufo: fc.boolean() }, { requiredKeys: [] }),
});

const card: fc.Arbitrary<Interface> = fc
  .record({
    type: oneOf('user', 'bridge', 'ethernet', 'server', 'client', 'mcast', 'udp'),
    socket: fc.record({
      address: fc.ipV4(),
      port: number(1, 65_535),
      local: fc.record({ address: fc.ipV4(), port: number(1, 65_535) }),
    }),
    vhostUserSocket: nowhere,
    virtio: virtioOptions,
    driver: cardDriver,
    acpiIndex: nowhere,
    bridge: tapName,
    tap: maybe(tapName),
    tapManaged: fc.boolean(),
    portForwards: fc.uniqueArray(portForward, { selector: ({ hostPort }) => hostPort, maxLength: 3 }),
    mac,
    model: fc.constantFrom(...cardModels),
    queues: maybe(number(1, 256)),
    backend: maybe(oneOf('vhost', 'qemu')),
    mtu: maybe(number(68, 65535)),
    linkUp: fc.boolean(),
    rom,
    bootOrder: nowhere,
    address: nowhere,
  })
  .map((one) => ({
    ...one,
    bridge: one.type === 'bridge' ? one.bridge : null,
    tap: hasTap(one) ? one.tap : null,
    tapManaged: one.type !== 'ethernet' || one.tap === null || one.tapManaged,
    portForwards: one.type === 'user' ? one.portForwards : [],
    socket: socketOf(one),
    virtio: isVirtio(one.model) ? one.virtio : plainVirtio,
    driver: isVirtio(one.model) ? one.driver : plainCardDriver,
    rom: isUsbCard(one.model) ? null : one.rom,
    queues: isVirtio(one.model) ? one.queues : null,
    backend: isVirtio(one.model) && hasTap(one) ? one.backend : null,
  }));

function socketOf({ type, socket: told }: { type: CardType; socket: CardSocket }): CardSocket | null {
  if (type === 'udp') return told;
  return ['server', 'client', 'mcast'].includes(type) ? { ...told, local: null } : null;
}

const socket = fc.stringMatching(/^\/[a-z0-9/.-]{1,80}$/).filter((name) => !name.includes('libvirt'));

const backend: fc.Arbitrary<Backend> = fc.oneof(
  fc.record({ type: oneOf('pty', 'null', 'stdio', 'vc') }),
  fc.record({ type: oneOf('dev', 'pipe'), path }),
  fc.record({
    type: fc.constant('qemu-vdagent' as const),
    copyPaste: maybe(fc.boolean()),
    mouse: maybe(oneOf('server', 'client')),
  }),
  fc.record({
    type: fc.constant('udp' as const),
    host: maybe(fc.ipV4()),
    port: number(1, 65535),
    bindHost: maybe(fc.ipV6()),
    bindPort: maybe(number(1, 65535)),
  }),
  fc.record({ type: fc.constant('file' as const), path, append: maybe(fc.boolean()) }),
  fc.record({
    type: fc.constant('unix' as const),
    mode: fc.constant('bind' as const),
    path: maybe(socket),
    reconnectSeconds: nowhere,
  }),
  fc.record({
    type: fc.constant('unix' as const),
    mode: fc.constant('connect' as const),
    path: socket,
    reconnectSeconds: maybe(number(1, 999)),
  }),
  fc.record({
    type: fc.constant('tcp' as const),
    mode: oneOf('bind', 'connect'),
    host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()),
    port: number(1, 65535),
    telnet: fc.boolean(),
    reconnectSeconds: nowhere,
  }),
);

const log: fc.Arbitrary<BackendLog> = fc.record({ path, append: maybe(fc.boolean()) });

const serial: fc.Arbitrary<Serial> = fc.record({
  model: oneOf('isa-serial', 'isa-debugcon', 'usb-serial', 'pci-serial'),
  backend,
  log: maybe(log),
  port: number(0, 3),
  address: nowhere,
});

const parallel: fc.Arbitrary<Parallel> = fc.record({
  backend,
  log: maybe(log),
  port: number(0, 2),
  address: maybe(fc.record({ type: fc.constant('isa' as const), iobase: nowhere, irq: maybe(number(0, 15)) })),
});

/** Each at its own place. */
function placed(parallels: readonly Parallel[]): Parallel[] {
  return parallels.map((one) => {
    return one.address?.type === 'isa' ? { ...one, address: { ...one.address, iobase: 0x100 + one.port } } : one;
  });
}

const channel: fc.Arbitrary<Channel> = fc.record({
  backend: backend.filter(({ type }) => type !== 'qemu-vdagent'),
  log: maybe(log),
  name: maybe(word),
  forward: nowhere,
  address: nowhere,
});

const characters = fc
  .tuple(
    fc.uniqueArray(serial, { selector: ({ port }) => port, maxLength: 4 }),
    fc.uniqueArray(parallel, { selector: ({ port }) => port, maxLength: 2 }).map(placed),
    fc.uniqueArray(fc.record({ backend, log: maybe(log), port: number(0, 30) }), {
      selector: ({ port }) => port,
      maxLength: 3,
    }),
    fc.boolean(),
  )
  .map(([serials, parallels, ports, isDoubled]) => ({
    serials,
    parallels,
    consoles: [
      ...(isDoubled ? serials.slice(0, 1) : []).map(({ backend: same, log: also, port }) => {
        return { backend: same, log: also, port, kind: 'serial' as const, address: null };
      }),
      ...ports.map((one) => ({ ...one, kind: 'virtio' as const, address: null })),
    ],
  }));

const controller: fc.Arbitrary<Controller> = fc.oneof(
  fc.record({
    type: fc.constant('usb' as const),
    index: number(0, 255),
    address: nowhere,
    model: maybe(oneOf('piix3-uhci', 'qemu-xhci', 'nec-xhci', 'ich9-ehci1')),
    ports: maybe(number(1, 15)),
    startPort: nowhere,
  }),
  fc.record({
    type: fc.constant('usb' as const),
    index: number(0, 255),
    address: nowhere,
    model: oneOf('ich9-uhci1', 'ich9-uhci2', 'ich9-uhci3'),
    ports: nowhere,
    startPort: maybe(number(0, 15)),
  }),
  fc.record({
    type: fc.constant('scsi' as const),
    index: number(0, 255),
    address: nowhere,
    model: fc.constant('virtio-scsi' as const),
    virtio: virtioOptions,
    queues: maybe(number(1, 1024)),
    iothread: nowhere,
    commandsPerLun: maybe(number(1, 1024)),
    maxSectors: maybe(number(1, 1024)),
    ioeventfd: maybe(fc.boolean()),
  }),
  fc.record({
    type: fc.constant('scsi' as const),
    index: number(0, 255),
    address: nowhere,
    model: maybe(oneOf('lsilogic', 'lsisas1068', 'lsisas1078', 'vmpvscsi', 'am53c974', 'dc390')),
    virtio: fc.constant(plainVirtio),
    queues: nowhere,
    commandsPerLun: nowhere,
    maxSectors: nowhere,
    ioeventfd: nowhere,
    iothread: nowhere,
  }),
  fc.record({
    type: fc.constant('virtio-serial' as const),
    index: number(0, 255),
    address: nowhere,
    model: virtioModel,
    virtio: virtioOptions,
    ports: maybe(number(1, 511)),
    vectors: maybe(number(0, 2048)),
  }),
  fc.record({ type: oneOf('sata', 'ide', 'ccid'), index: number(0, 255), address: nowhere }),
  fc.record({
    type: fc.constant('pci' as const),
    index: number(1, 255),
    address: nowhere,
    model: oneOf('pci-bridge', 'pcie-root-port', 'pcie-to-pci-bridge', 'pcie-switch-upstream-port'),
    modelName: maybe(oneOf('pcie-root-port', 'ioh3420', 'pci-bridge')),
    chassis: maybe(number(0, 255)),
    port: maybe(number(0, 255)),
    hotplug: nowhere,
    busNumber: nowhere,
    hole64Bytes: nowhere,
  }),
);

const rng: fc.Arbitrary<Rng> = fc.record({
  model: virtioModel,
  virtio: virtioOptions,
  backend: fc.oneof(
    fc.record({ type: fc.constant('random' as const), path }),
    fc.constant({ type: 'builtin' as const }),
  ),
  rate: maybe(fc.record({ bytes: number(1, 2 ** 31 - 1), periodMs: maybe(number(1, 999_999_999)) })),
  address: nowhere,
});

const served = fc.record({
  plan9: fc.constant(null),
  server: fc.record({
    xattr: maybe(fc.boolean()),
    cache: maybe(oneOf('none', 'always')),
    sandbox: maybe(oneOf('namespace', 'chroot')),
    threads: maybe(number(0, 64)),
  }),
  binary: maybe(path),
  queueSize: maybe(number(1, 1024)),
  model: fc.constant('virtio' as const),
  virtio: fc.constant(plainVirtio),
});

const plan9 = fc.record({
  plan9: fc.record({
    accessMode: fc.constant('mapped' as const),
    writesAtOnce: fc.boolean(),
    severalDevices: maybe(oneOf('remap', 'forbid', 'warn')),
    fileMode: maybe(oneOf('0644', '600')),
    directoryMode: maybe(oneOf('0755', '700')),
  }),
  server: fc.constant(plainFileServer),
  binary: nowhere,
  queueSize: nowhere,
  model: oneOf('virtio', 'virtio-transitional', 'virtio-non-transitional'),
  virtio: virtioOptions,
});

const filesystem: fc.Arbitrary<Filesystem> = fc
  .tuple(
    fc.record({ source: path, target: word, readonly: fc.boolean(), bootOrder: nowhere, address: nowhere }),
    fc.oneof(served, plan9),
  )
  .map(([what, how]) => ({ ...what, ...how }));
const tpmModel = { model: oneOf('tpm-crb', 'tpm-tis') };
const tpm: fc.Arbitrary<Tpm> = fc.oneof(
  fc.record({ ...tpmModel, backend: fc.constant('emulator' as const), version: fc.constant('2.0' as const) }),
  fc.record({ ...tpmModel, backend: fc.constant('passthrough' as const), path }),
  fc.record({ ...tpmModel, backend: fc.constant('external' as const), socket: path }),
);

/** The devices. */
export const devices = fc
  .tuple(
    characters,
    screens,
    fc.record({
      disks: fc.uniqueArray(disk, { selector: ({ target }) => target, maxLength: 4 }),
      filesystems: fc.uniqueArray(filesystem, { selector: ({ target }) => target, maxLength: 2 }),
      interfaces: fc
        .uniqueArray(card, { selector: ({ tap, mac: own }) => tap ?? own, maxLength: 3 })
        // Ports of the host are of all cards together.
        .map((cards) => cards.map((one, index) => (index === 0 ? one : { ...one, portForwards: [] }))),
      channels: fc.uniqueArray(channel, { selector: ({ name }) => name, maxLength: 3 }),
      controllers: fc.uniqueArray(controller, { selector: ({ type, index }) => `${type} ${index}`, maxLength: 4 }),
      ...hostdevs,
      ...redirection,
      rngs: fc.array(rng, { maxLength: 2 }),
      tpm: maybe(tpm),
      watchdog: maybe(
        fc.record({
          model: oneOf('i6300esb', 'itco', 'ib700'),
          action: oneOf('reset', 'shutdown', 'poweroff', 'pause', 'none', 'inject-nmi'),
          address: nowhere,
        }),
      ),
      panic: maybe(fc.record({ model: oneOf('isa', 'pvpanic') })),
      ...small,
    }),
  )
  .map(([ends, seen, others]) => ({ ...ends, ...seen, ...others }));
