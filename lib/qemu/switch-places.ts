/** Where the ports of a PCI Express switch sit that have no address: an upstream port in a root port, its downstream ports behind it. Pure. */
import type { Address, Controller, PciModel } from '../domain/devices.ts';

type Bridge = Extract<Controller, { type: 'pci' }>;

/** The controllers, every port of a switch with an address as far as there is a place for it, as libvirt chooses it. */
export function placeSwitches(controllers: readonly Controller[], named: ReadonlySet<number>): Controller[] {
  const bridges = controllers.filter((each): each is Bridge => each.type === 'pci');
  const [upstream] = bridges.filter(({ model }) => model === 'pcie-switch-upstream-port');
  const freeOf = (kind: PciModel): number[] =>
    bridges
      .filter(({ model, hotplug, index }) => model === kind && hotplug !== false && !named.has(index))
      .map(({ index }) => index);
  const free = freeOf('pcie-root-port');
  // A switch sits behind another where root ports run out; the first has all the downstream ports behind it.
  const behind = freeOf('pcie-switch-downstream-port');
  const taken = new Set(bridges.map(({ address }) => slotKey(address)));
  return controllers.map((each) => {
    if (each.type !== 'pci' || each.address !== null) return each;
    if (each.model === 'pcie-switch-upstream-port')
      return withPlace(each, free.shift() ?? (each === upstream ? undefined : behind.shift()), 0);
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
