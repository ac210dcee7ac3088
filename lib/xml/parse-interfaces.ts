/** XML -> network cards. */
import type { Interface, PortForward } from '../domain/devices.ts';
import { readPlace } from './addresses.ts';
import { devicesAt, need, valueAt, type Known } from './known.ts';
import { readCardDriver, readSocket } from './parse-cards.ts';
import { readRom } from './parse-hostdevs.ts';
import { readDriver } from './virtio-driver.ts';

/** The cards; `makeMac` is asked for those without an address. */
export function readInterfaces(domain: Known, makeMac: () => string): Interface[] {
  return devicesAt(domain, '/domain/devices/interface').map((card) => readInterface(card, makeMac));
}

function readInterface(card: Known, makeMac: () => string): Interface {
  return {
    type: need(card, '/domain/devices/interface/@type'),
    bridge: valueAt(card, '/domain/devices/interface/source/@bridge') ?? null,
    tap: valueAt(card, '/domain/devices/interface/target/@dev') ?? null,
    tapManaged: valueAt(card, '/domain/devices/interface/target/@managed') ?? true,
    portForwards: readForwards(card),
    mac: valueAt(card, '/domain/devices/interface/mac/@address') ?? makeMac(),
    // libvirt's default.
    model: valueAt(card, '/domain/devices/interface/model/@type') ?? 'rtl8139',
    socket: readSocket(card),
    vhostUserSocket: valueAt(card, '/domain/devices/interface/source/@path') ?? null,
    virtio: readDriver(card),
    driver: readCardDriver(card),
    ...readSettings(card),
    address: readPlace(card),
  };
}

function readSettings(
  card: Known,
): Pick<Interface, 'queues' | 'backend' | 'mtu' | 'linkUp' | 'rom' | 'bootOrder' | 'acpiIndex'> {
  return {
    queues: valueAt(card, '/domain/devices/interface/driver/@queues') ?? null,
    backend: valueAt(card, '/domain/devices/interface/driver/@name') ?? null,
    mtu: valueAt(card, '/domain/devices/interface/mtu/@size') ?? null,
    linkUp: valueAt(card, '/domain/devices/interface/link/@state') !== 'down',
    rom: readRom(card, '/domain/devices/interface'),
    bootOrder: valueAt(card, '/domain/devices/interface/boot/@order') ?? null,
    acpiIndex: valueAt(card, '/domain/devices/interface/acpi/@index') ?? null,
  };
}

/** Most ports of one card that are forwarded: QEMU takes them in one argument. */
export const maxForwards = 1000;

function readForwards(card: Known): PortForward[] {
  return card.children
    .filter(({ key }) => key === '/domain/devices/interface/portForward')
    .flatMap((forward) => forward.children.map((range) => ({ forward, range })))
    .reduce<PortForward[]>(
      // One more than is allowed is enough to refuse it.
      (all, { forward, range }) => (all.length > maxForwards ? all : [...all, ...readRange(forward, range)]),
      [],
    );
}

function readRange(forward: Known, range: Known): PortForward[] {
  const start = need(range, '/domain/devices/interface/portForward/range/@start');
  const end = valueAt(range, '/domain/devices/interface/portForward/range/@end') ?? start;
  const to = valueAt(range, '/domain/devices/interface/portForward/range/@to') ?? start;
  return Array.from({ length: Math.max(0, Math.min(end - start, maxForwards) + 1) }, (_, index) => ({
    protocol: need(forward, '/domain/devices/interface/portForward/@proto'),
    address: valueAt(forward, '/domain/devices/interface/portForward/@address') ?? null,
    hostPort: start + index,
    guestPort: to + index,
  }));
}
