/**
 * Where PCI devices sit. Pure. Addresses of the definition are used as they are; every other device gets the lowest
 * free slot of the root bus, so that the two never meet. Owns the names of buses; must not know what the devices are.
 */
import type { Address } from '../domain/devices.ts';
import { type Part, type PciDevice, device, impossible, turns } from './arguments.ts';
import type { MachineFamily } from './machine-family.ts';

type PciAddress = Extract<Address, { type: 'pci' }>;

interface RootBus {
  readonly name: string;
  /** Slots of the machine's own devices: host bridge, and PIIX3 at 1 or ICH9 at 1f. */
  readonly taken: readonly number[];
  /** Where firmware and guests expect the first graphics card. */
  readonly video: number;
}

const roots: Readonly<Record<Exclude<MachineFamily, 'other'>, RootBus>> = {
  pc: { name: 'pci.0', taken: [0, 1], video: 2 },
  q35: { name: 'pcie.0', taken: [0, 0x1f], video: 1 },
};

const slotsOfABus = 32;

/** Id of a PCI bus, as libvirt's aliases: that of the machine for 0, of the controller with that index otherwise. */
function busName(family: MachineFamily, bus: number): string {
  return bus === 0 && family !== 'other' ? roots[family].name : `pci.${bus}`;
}

/** The parts as arguments, every PCI device with its address. Throws INVALID_XML when the root bus is full. */
export function settle(parts: readonly Part[], family: MachineFamily): string[] {
  const waiting = parts.filter((part) => typeof part !== 'string');
  const places = family === 'other' ? new Map<PciDevice, PciAddress>() : assign(waiting, roots[family]);
  const all = [...places.values()];
  return parts.flatMap((part) => {
    if (typeof part === 'string') return [part];
    const place = places.get(part);
    return device({ ...part.properties, ...(place ? location(place, all, family) : {}) });
  });
}

/** Sorting is stable: within a turn the order of the command line decides. */
function assign(devices: readonly PciDevice[], root: RootBus): Map<PciDevice, PciAddress> {
  const places = new Map<PciDevice, PciAddress>();
  for (const each of devices) if (each.address?.type === 'pci') places.set(each, each.address);
  const onRoot = [...places.values()].filter(({ bus }) => bus === 0);
  const taken = new Set([...root.taken, ...onRoot.map(({ slot }) => slot)]);
  const rest = devices.filter((each) => !places.has(each)).sort((a, b) => turns[a.turn] - turns[b.turn]);
  for (const each of rest) {
    const slot = freeSlot(taken, each.turn === 'primaryVideo' ? root.video : 0);
    taken.add(slot);
    places.set(each, { type: 'pci', domain: 0, bus: 0, slot, function: 0, multifunction: false });
  }
  return places;
}

function freeSlot(taken: ReadonlySet<number>, wanted: number): number {
  if (!taken.has(wanted)) return wanted;
  for (let slot = 1; slot < slotsOfABus; slot += 1) if (!taken.has(slot)) return slot;
  throw impossible(
    `the domain has more PCI devices than the ${slotsOfABus} slots of its root bus`,
    "give some of them an <address type='pci' bus=../> behind a bridge or a pcie-root-port",
  );
}

/** Function 0 has to say that its slot has more functions, or the guest never looks for them. */
function location(place: PciAddress, all: readonly PciAddress[], family: MachineFamily): object {
  const { bus, slot, function: number } = place;
  const shared = all.some((other) => other.bus === bus && other.slot === slot && other.function > 0);
  const multifunction = place.multifunction || (number === 0 && shared) ? { multifunction: true } : {};
  const addr = `0x${slot.toString(16)}${number === 0 ? '' : `.0x${number.toString(16)}`}`;
  return { bus: busName(family, bus), ...multifunction, addr };
}
