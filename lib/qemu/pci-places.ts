/**
 * Which PCI device sits where. Pure. Addresses of the definition are used as they are; every other device gets the
 * lowest place that is free, so that the two never meet. As libvirt does it on both boards, except that q35's devices
 * of old PCI stay on the root bus, where libvirt adds a bridge.
 */
import type { Address } from '../domain/devices.ts';
import { type PciDevice, impossible, turns } from './arguments.ts';

export type PciAddress = Extract<Address, { type: 'pci' }>;

export interface RootBus {
  /** Slots of the machine's own devices: host bridge, and PIIX3 at 1 or ICH9 at 1f. */
  readonly taken: readonly number[];
  /** Where firmware and guests expect the first graphics card. */
  readonly video: number;
  /** Whether devices of PCI Express get a port each. */
  readonly express: boolean;
}

/** How many ports the definition has too few. */
export function portsLacking(devices: readonly PciDevice[], { express }: RootBus): number {
  if (!express) return 0;
  const waiting = devices.filter((each) => !isPlaced(each) && isExpress(each));
  return Math.max(0, waiting.length - freePorts(devices).length);
}

/** A place for every device. Throws INVALID_XML when the root bus is full. */
export function assignPlaces(devices: readonly PciDevice[], root: RootBus): Map<PciDevice, PciAddress> {
  const places = new Map<PciDevice, PciAddress>();
  for (const each of devices) if (each.address?.type === 'pci') places.set(each, each.address);
  const ports = root.express ? freePorts(devices) : [];
  const byTurn = (a: PciDevice, b: PciDevice): number => turns[a.turn] - turns[b.turn];
  for (const each of devices.filter((one) => !isPlaced(one)).sort(byTurn)) {
    const port = isExpress(each) ? ports.shift() : undefined;
    places.set(each, port === undefined ? onRoot(each, places, root) : at(port, 0, 0));
  }
  return places;
}

function isPlaced({ address }: PciDevice): boolean {
  return address?.type === 'pci';
}

/** Cards made for a port. The first graphics card is none: it belongs where firmware looks for it. */
function isExpress({ properties, turn }: PciDevice): boolean {
  // An IOMMU is part of the root.
  if (turn === 'iommu') return false;
  // A transitional device has registers in I/O ports, which old slots have.
  if (turn === 'primaryVideo' || properties.driver.endsWith('-pci-transitional')) return false;
  return /^(virtio-|vhost-|vfio-pci|qemu-xhci$|nec-usb-xhci$|e1000e$)/.test(properties.driver);
}

/** Buses behind ports in which nothing sits, in the definition's order. */
function freePorts(devices: readonly PciDevice[]): number[] {
  const inUse = new Set(devices.map(({ address }) => (address?.type === 'pci' ? address.bus : 0)));
  return devices.flatMap(({ port }) => (port === null || inUse.has(port) ? [] : [port]));
}

const slotsOfABus = 32;
const functionsOfASlot = 8;

function onRoot(device: PciDevice, places: ReadonlyMap<PciDevice, PciAddress>, root: RootBus): PciAddress {
  const slots = Array.from({ length: slotsOfABus }, (_none, slot) => slot).filter((slot) => !root.taken.includes(slot));
  const preferred = device.turn === 'primaryVideo' ? [root.video, ...slots] : slots;
  for (const slot of preferred) {
    const free = freeFunction(device, occupants(slot, places));
    if (free !== null) return at(0, slot, free);
  }
  throw impossible(
    `the domain has more PCI devices than its root bus has slots (${slotsOfABus})`,
    "give some of them an <address type='pci' bus=../> behind a bridge or a pcie-root-port",
  );
}

/** A slot is one device's own, but ports share it: there may be many of them. */
function freeFunction(device: PciDevice, there: readonly (readonly [PciDevice, PciAddress])[]): number | null {
  if (there.length === 0) return 0;
  if (device.port === null || there.some(([each]) => each.port === null)) return null;
  const taken = new Set(there.map(([, place]) => place.function));
  const free = Array.from({ length: functionsOfASlot }, (_none, index) => index).find((index) => !taken.has(index));
  return free ?? null;
}

function occupants(slot: number, places: ReadonlyMap<PciDevice, PciAddress>): [PciDevice, PciAddress][] {
  return [...places].filter(([, place]) => place.bus === 0 && place.slot === slot);
}

function at(bus: number, slot: number, number: number): PciAddress {
  return { type: 'pci', domain: 0, bus, slot, function: number, multifunction: false };
}
