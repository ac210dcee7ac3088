/** Where the ports of a PCI Express switch sit that have no address: an upstream port in a root port, its downstream ports behind it. Pure. */
import type { Address, Controller } from '../domain/devices.ts';

type Bridge = Extract<Controller, { type: 'pci' }>;

/** The controllers, every port of a switch with an address as far as there is a place for it, as libvirt chooses it. */
export function placeSwitches(controllers: readonly Controller[], named: ReadonlySet<number>): Controller[] {
  const bridges = controllers.filter((each): each is Bridge => each.type === 'pci');
  const [upstream] = bridges.filter(({ model }) => model === 'pcie-switch-upstream-port');
  const roots = bridges.filter(({ model, hotplug }) => model === 'pcie-root-port' && hotplug !== false);
  const free = roots.map(({ index }) => index).filter((index) => !named.has(index));
  const taken = new Set(bridges.map(({ address }) => slotKey(address)));
  return controllers.map((each) => {
    if (each.type !== 'pci' || each.address !== null) return each;
    if (each.model === 'pcie-switch-upstream-port') return withPlace(each, free.shift(), 0);
    if (each.model !== 'pcie-switch-downstream-port' || upstream === undefined) return each;
    return withPlace(each, upstream.index, freeSlot(upstream.index, taken));
  });
}

function withPlace(bridge: Bridge, bus: number | undefined, slot: number): Bridge {
  if (bus === undefined) return bridge;
  return { ...bridge, address: { type: 'pci', domain: 0, bus, slot, function: 0, multifunction: false } };
}

function freeSlot(bus: number, taken: Set<string>): number {
  let slot = 0;
  while (taken.has(`${bus} ${slot}`)) slot += 1;
  taken.add(`${bus} ${slot}`);
  return slot;
}

function slotKey(address: Address | null): string {
  return address?.type === 'pci' ? `${address.bus} ${address.slot}` : '';
}
