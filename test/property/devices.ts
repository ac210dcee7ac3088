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
import { mac, maybe, number, oneOf, path, word } from './arbitrary.ts';
import { hostdevs, rom } from './hostdevs.ts';
import { redirection } from './redirection.ts';
import { screens } from './screens.ts';
import { small, virtioModel, virtioOptions } from './small.ts';

const nowhere = fc.constant(null);

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
  })
  .map((one) => ({ ...one, cache: one.io === 'native' ? 'none' : one.cache }));

const disk: fc.Arbitrary<Disk> = fc
  .record({
    device: oneOf('disk', 'cdrom'),
    source: fc.record({ type: oneOf('file', 'block'), path }),
    isEmpty: fc.boolean(),
    format: oneOf('raw', 'qcow2'),
    target: fc.stringMatching(/^[vsh]d[a-z]{1,3}$/),
    bus: oneOf('virtio', 'scsi', 'sata', 'ide', 'usb'),
    readonly: fc.boolean(),
    shareable: fc.boolean(),
    serial: maybe(fc.stringMatching(/^[\w. +-]{1,36}$/).filter((text) => text.trim() === text)),
    driver,
    bootOrder: nowhere,
    address: nowhere,
  })
  .map(({ isEmpty, ...one }) => {
    const isCdrom = one.device === 'cdrom' && one.bus !== 'virtio';
    return {
      ...one,
      device: isCdrom ? 'cdrom' : 'disk',
      source: isCdrom && isEmpty ? null : one.source,
      readonly: isCdrom || one.readonly,
      driver: { ...one.driver, queues: one.bus === 'virtio' ? one.driver.queues : null },
    };
  });

const portForward = fc.record({
  protocol: oneOf('tcp', 'udp'),
  address: maybe(fc.ipV4()),
  hostPort: number(1, 65535),
  guestPort: number(1, 65535),
});

const tapName = fc.stringMatching(/^[A-Za-z0-9_.-]{1,15}$/).filter((name) => !/^(vnet\d*|\.{1,2})$/.test(name));

const card: fc.Arbitrary<Interface> = fc
  .record({
    type: oneOf('user', 'bridge', 'ethernet'),
    bridge: tapName,
    tap: maybe(tapName),
    tapManaged: fc.boolean(),
    portForwards: fc.uniqueArray(portForward, { selector: ({ hostPort }) => hostPort, maxLength: 3 }),
    mac,
    model: oneOf('virtio', 'e1000', 'e1000e', 'rtl8139'),
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
    tap: one.type === 'user' ? null : one.tap,
    tapManaged: one.type !== 'ethernet' || one.tap === null || one.tapManaged,
    portForwards: one.type === 'user' ? one.portForwards : [],
    queues: one.model === 'virtio' ? one.queues : null,
    backend: one.model === 'virtio' && one.type !== 'user' ? one.backend : null,
  }));

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
    model: maybe(oneOf('virtio-scsi', 'lsilogic')),
    queues: maybe(number(1, 1024)),
    iothread: nowhere,
  }),
  fc.record({ type: oneOf('sata', 'ide', 'virtio-serial'), index: number(0, 255), address: nowhere }),
  fc.record({
    type: fc.constant('pci' as const),
    index: number(1, 255),
    address: nowhere,
    model: oneOf('pci-bridge', 'pcie-root-port', 'pcie-to-pci-bridge', 'pcie-switch-upstream-port'),
    modelName: maybe(oneOf('pcie-root-port', 'ioh3420', 'pci-bridge')),
    chassis: maybe(number(0, 255)),
    port: maybe(number(0, 255)),
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

const filesystem: fc.Arbitrary<Filesystem> = fc.record({
  source: path,
  target: word,
  readonly: fc.boolean(),
  binary: maybe(path),
  queueSize: maybe(number(1, 1024)),
  address: nowhere,
});

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
