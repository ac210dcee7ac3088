/** Gives devices of a domain their addresses and their places in the boot order. */
import { aliasedDevices, type AliasedDevice } from '../../lib/domain/aliases.ts';
import type { Domain } from '../../lib/domain/definition.ts';
import type { Address } from '../../lib/domain/devices.ts';
import { isUsbCard } from '../../lib/domain/network.ts';

type Place = { readonly address: Address | null };

/** Each device an address of its own, of the kind its bus has, for which `has` says so (it is asked again and again). */
export function withAddresses(domain: Domain, has: () => boolean): Domain {
  let count = 0;
  const pci = (): Address => {
    count += 1;
    return { type: 'pci', domain: 0, bus: count >> 5, slot: count & 31, function: count & 7, multifunction: has() };
  };
  const port = (): Address => ({ type: 'virtio-serial', controller: 0, bus: 0, port: ++count });
  const usb = (): Address => ({ type: 'usb', bus: 0, port: `1.${++count}` });
  const drive = (bus: string): Address => {
    const unit = bus === 'ide' ? count & 1 : count % 6;
    count += 1;
    return { type: 'drive', controller: count, bus: 0, target: 0, unit };
  };
  const onBus = (bus: string | null): Address | null => {
    if (bus === 'ps2' || bus === null) return null;
    if (bus === 'virtio') return pci();
    return bus === 'usb' ? usb() : drive(bus);
  };
  const put = <T extends Place>(device: T, make: () => Address | null): T =>
    has() ? { ...device, address: make() } : device;
  const { watchdog } = domain;
  return {
    ...domain,
    disks: domain.disks.map((one) => put(one, () => onBus(one.bus))),
    serials: domain.serials.map((one) => (one.model === 'pci-serial' ? put(one, pci) : one)),
    hubs: domain.hubs.map((one) => put(one, usb)),
    memoryModules: domain.memoryModules.map((one) => (one.model === 'dimm' ? one : put(one, pci))),
    hostdevs: domain.hostdevs.map((one) =>
      put(one, one.type === 'usb' ? usb : one.type === 'scsi' ? () => drive('scsi') : pci),
    ),
    vsock: domain.vsock && put(domain.vsock, pci),
    shmems: domain.shmems.map((one) => put(one, pci)),
    pstore: domain.pstore && put(domain.pstore, pci),
    redirdevs: domain.redirdevs.map((one) => put(one, usb)),
    controllers: domain.controllers.map((one) => put(one, one.type === 'ccid' ? usb : pci)),
    filesystems: domain.filesystems.map((one) => put(one, pci)),
    interfaces: domain.interfaces.map((one) => put(one, isUsbCard(one.model) ? usb : pci)),
    consoles: domain.consoles.map((one) => (one.kind === 'virtio' ? put(one, port) : one)),
    channels: domain.channels.map((one) => put(one, port)),
    inputs: domain.inputs.map((one) => put(one, () => onBus(one.bus))),
    videos: domain.videos.map((one) => put(one, pci)),
    rngs: domain.rngs.map((one) => put(one, pci)),
    watchdog: watchdog?.model === 'i6300esb' ? put(watchdog, pci) : watchdog,
    memballoon: put(domain.memballoon, pci),
  };
}

/** A name of its own for each device for which `has` says so. */
export function withAliases(domain: Domain, has: () => boolean): Domain {
  const one = (device: unknown): readonly unknown[] => (device === null ? [] : [device]);
  const devices: Readonly<Record<AliasedDevice, readonly unknown[]>> = {
    disk: domain.disks,
    controller: domain.controllers,
    filesystem: domain.filesystems,
    interface: domain.interfaces,
    smartcard: domain.smartcards,
    serial: domain.serials,
    parallel: domain.parallels,
    console: domain.consoles,
    channel: domain.channels,
    input: domain.inputs,
    tpm: one(domain.tpm),
    sound: domain.sounds,
    video: domain.videos,
    hostdev: domain.hostdevs,
    hub: domain.hubs,
    redirdev: domain.redirdevs,
    watchdog: one(domain.watchdog),
    memballoon: [domain.memballoon],
    rng: domain.rngs,
    panic: one(domain.panic),
    shmem: domain.shmems,
    memory: domain.memoryModules,
    iommu: one(domain.iommu),
    vsock: one(domain.vsock),
    crypto: domain.cryptos,
    pstore: one(domain.pstore),
  };
  const aliases = aliasedDevices.flatMap((device) =>
    devices[device].flatMap((_each, index) => (has() ? [{ device, index, name: `ua-${device}_${index}` }] : [])),
  );
  return { ...domain, aliases };
}

/** Numbers for disks and cards for which `has` says so; then `<os>` has none. */
export function withBootOrder(domain: Domain, has: () => boolean): Domain {
  if (domain.os.boot.length > 0) return domain;
  let count = 0;
  const put = <T extends { readonly bootOrder: number | null }>(device: T): T =>
    has() ? { ...device, bootOrder: ++count } : device;
  const filesystems = domain.filesystems.map((one) => (one.plan9 === null ? put(one) : one));
  return { ...domain, filesystems, disks: domain.disks.map(put), interfaces: domain.interfaces.map(put) };
}
