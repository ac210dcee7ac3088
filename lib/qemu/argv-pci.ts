/**
 * PCI devices as QEMU's arguments, once each has its place. Pure. Owns the names of buses, and the ports that q35 gets
 * for devices which have none; must not know what the devices are.
 */
import type { PciAddress, RootBus } from './pci-places.ts';
import { type Part, type PciDevice, device } from './arguments.ts';
import type { MachineFamily } from './machine-family.ts';
import { assignPlaces, portsLacking } from './pci-places.ts';

const roots: Readonly<Record<Exclude<MachineFamily, 'other'>, RootBus & { readonly name: string }>> = {
  pc: { name: 'pci.0', taken: [0, 1], video: 2, express: false },
  q35: { name: 'pcie.0', taken: [0, 0x1f], video: 1, express: true },
};

/** The parts as arguments, every PCI device with its address. Throws INVALID_XML when the root bus is full. */
export function settle(parts: readonly Part[], family: MachineFamily): string[] {
  if (family === 'other') return parts.flatMap((part) => (typeof part === 'string' ? [part] : device(part.properties)));
  const root = roots[family];
  const all = withPorts(parts, root);
  const places = assignPlaces(all.filter(isPci), root);
  const taken = [...places.values()];
  return all.flatMap((part) => {
    if (!isPci(part)) return [part];
    const place = places.get(part);
    return device({ ...part.properties, ...(place ? location(part, place, { taken, root: root.name }) : {}) });
  });
}

function isPci(part: Part): part is PciDevice {
  return typeof part !== 'string';
}

/** New ports follow the definition's own bridges, and number on. */
function withPorts(parts: readonly Part[], root: RootBus): Part[] {
  const bridges = parts.filter((part) => isPci(part) && part.turn === 'bridge');
  const ports = Array.from({ length: portsLacking(parts.filter(isPci), root) }, (_none, index) => {
    return rootPort(highestBus(bridges) + 1 + index);
  });
  return [...bridges, ...ports, ...parts.filter((part) => !bridges.includes(part))];
}

function rootPort(bus: number): PciDevice {
  const properties = { driver: 'pcie-root-port', chassis: bus, id: `pci.${bus}` };
  return { properties, address: null, turn: 'bridge', port: bus };
}

function highestBus(bridges: readonly Part[]): number {
  const numbers = bridges.map((each) => /^pci\.(\d+)$/.exec(isPci(each) ? (each.properties.id ?? '') : '')?.[1]);
  return Math.max(0, ...numbers.map((number) => Number(number ?? 0)));
}

interface Neighbours {
  readonly taken: readonly PciAddress[];
  /** Name of bus 0. */
  readonly root: string;
}

/** Function 0 has to say that its slot has more functions, or the guest never looks for them. */
function location(part: PciDevice, place: PciAddress, { taken, root }: Neighbours): object {
  const { bus, slot, function: number } = place;
  const shared = taken.some((other) => other.bus === bus && other.slot === slot && other.function > 0);
  const multifunction = place.multifunction || (number === 0 && shared) ? { multifunction: true } : {};
  const addr = `0x${slot.toString(16)}${number === 0 ? '' : `.0x${number.toString(16)}`}`;
  const port = part.port === null || 'port' in part.properties ? {} : { port: slot * functionsOfASlot + number };
  return { ...port, bus: bus === 0 ? root : `pci.${bus}`, ...multifunction, addr };
}

const functionsOfASlot = 8;
