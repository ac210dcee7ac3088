/** Devices of the host, sockets to the host and the store of errors as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import { type Hostdev, pciName, type ScsiHostdev, type UsbHostdev } from '../domain/hostdev.ts';
import type { Rom } from '../domain/rom.ts';
import type { BootOrder } from './argv-boot.ts';
import { scsiHostdev } from './argv-scsi-hostdevs.ts';
import type { UsbPlaces } from './argv-usb.ts';
import { virtioDriver, virtioProperties } from './argv-virtio.ts';
import { type Part, device, given, json, onOff, pciDevice } from './arguments.ts';

/** One end of the sockets to the host. */
export interface VsockEnd {
  readonly cid: number;
  /** /dev/vhost-vsock, as numbered in the hypervisor. */
  readonly fd: number;
}

interface Around {
  readonly usb: UsbPlaces;
  readonly boot: BootOrder;
  /** Nodes of USB and SCSI devices, by index. */
  readonly nodes: ReadonlyMap<number, string>;
}

/** Devices of the host, `hostdevN`. */
export function hostdevParts(domain: Domain, around: Around): Part[] {
  return domain.hostdevs.flatMap((hostdev, index): Part[] => {
    const names = { id: `hostdev${index}`, ...given('bootindex', around.boot.get(hostdev) ?? null) };
    if (hostdev.type === 'scsi') return scsiHostdev(domain, hostdev, { names, node: around.nodes.get(index) ?? null });
    if (hostdev.type !== 'usb') return [pciDevice('hostdev', hostdev.address, { ...vfio(hostdev), ...names })];
    const hostdevice = around.nodes.get(index);
    if (hostdevice === undefined) throw new Error(`no node was found for USB device ${index}`);
    const resets = guestResets(hostdev);
    return device({ driver: 'usb-host', hostdevice, ...names, ...resets, ...around.usb.get(hostdev) });
  });
}

function vfio(hostdev: Exclude<Hostdev, UsbHostdev | ScsiHostdev>): { driver: string; [name: string]: unknown } {
  if (hostdev.type === 'pci') {
    const place = { host: pciName(hostdev.source) };
    return { driver: 'vfio-pci', ...place, ...romProperties(hostdev.rom) };
  }
  const { uuid, display, ramfb } = hostdev;
  // A framebuffer that firmware writes to cannot be plugged.
  const driver = ramfb === true ? 'vfio-pci-nohotplug' : 'vfio-pci';
  const place = { sysfsdev: `/sys/bus/mdev/devices/${uuid}` };
  return { driver, ...place, display: onOff(display), ...given('ramfb', ramfb) };
}

function guestResets({ guestReset }: UsbHostdev): object {
  switch (guestReset) {
    case null:
      return {};
    case 'off':
      return { 'guest-reset': false };
    case 'uninitialized':
      return { 'guest-reset': true, 'guest-resets-all': false };
    case 'on':
      return { 'guest-reset': true, 'guest-resets-all': true };
  }
}

/** What a card brings for the firmware; no file's name is none. */
export function romProperties(rom: Rom | null): object {
  if (rom === null) return {};
  if (!rom.enabled) return { romfile: '' };
  return { ...given('rombar', rom.bar === null ? null : Number(rom.bar)), ...given('romfile', rom.file) };
}

/** Sockets to the host. */
export function vsockParts({ vsock }: Domain, end: VsockEnd | null): Part[] {
  if (vsock === null) return [];
  if (end === null) throw new Error('the vsock has no number');
  const driver = virtioDriver('vhost-vsock-pci', vsock.model);
  const names = { id: 'vsock0', 'guest-cid': end.cid, vhostfd: String(end.fd) };
  return [pciDevice('vsock', vsock.address, { driver, ...virtioProperties(vsock.virtio), ...names })];
}

/** The store of errors, and the file behind it. */
export function pstoreParts({ pstore }: Domain): Part[] {
  if (pstore === null) return [];
  const { path, sizeBytes: size, address } = pstore;
  const file = { 'qom-type': 'memory-backend-file', id: 'mempstore0', 'mem-path': path, size, share: true };
  const driver = { driver: 'acpi-erst', id: 'pstore0', memdev: 'mempstore0' };
  return [...json('-object', file), pciDevice('pstore', address, driver)];
}
