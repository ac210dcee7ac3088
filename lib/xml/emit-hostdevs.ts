/** Devices of the host, sockets to the host, the store of errors -> XML. */
import type { Hostdev, ScsiHostdev, UsbHostdev } from '../domain/hostdev.ts';
import type { Rom } from '../domain/rom.ts';
import type { Pstore, Vsock } from '../domain/links.ts';
import { addressTag, hex } from './addresses.ts';
import { source as diskSource } from './emit-disk-sources.ts';
import { bootTag } from './emit-disks.ts';
import { memory } from './emit-tuning.ts';
import { mark, onOff, tag, yesNo, type Tag } from './serialize.ts';
import { driverTag } from './virtio-driver.ts';

/** `<hostdev>`. */
export function hostdev(one: Hostdev): Tag {
  const { type, managed, bootOrder, address } = one;
  const attributes = { mode: 'subsystem', type, managed: yesNo(managed), ...mdevAttributes(one) };
  return tag('hostdev', attributes, [
    ...source(one),
    one.type === 'pci' ? romTag(one.rom) : null,
    mark('readonly', one.type === 'scsi' && one.readonly),
    bootTag(bootOrder),
    addressTag(address),
  ]);
}

function mdevAttributes(one: Hostdev): Readonly<Record<string, string | null>> {
  if (one.type !== 'mdev') return {};
  return { model: 'vfio-pci', display: onOff(one.display), ramfb: onOff(one.ramfb) };
}

function source(one: Hostdev): Tag[] {
  switch (one.type) {
    case 'pci': {
      const { domain, bus, slot, function: part } = one.source;
      const place = { domain: hex(domain, 4), bus: hex(bus, 2), slot: hex(slot, 2), function: hex(part, 1) };
      return [tag('driver', { name: 'vfio' }), tag('source', {}, [tag('address', place)])];
    }
    case 'usb':
      return [usbSource(one)];
    case 'mdev':
      return [tag('source', {}, [tag('address', { uuid: one.uuid })])];
    case 'scsi':
      return [scsiSource(one)];
  }
}

function scsiSource({ source: given }: ScsiHostdev): Tag {
  if (given.type === 'network') return diskSource(given);
  const { host, bus, target, unit } = given;
  return tag('source', {}, [tag('adapter', { name: `scsi_host${host}` }), tag('address', { bus, target, unit })]);
}

function usbSource({ kind, place, guestReset }: UsbHostdev): Tag {
  return tag('source', { guestReset }, [
    kind === null ? null : tag('vendor', { id: hex(kind.vendor, 4) }),
    kind === null ? null : tag('product', { id: hex(kind.product, 4) }),
    place === null ? null : tag('address', { bus: place.bus, device: place.device }),
  ]);
}

/** `<rom>`; null: the card's own. */
export function romTag(rom: Rom | null): Tag | null {
  if (rom === null) return null;
  return tag('rom', { enabled: rom.enabled ? null : 'no', bar: onOff(rom.bar), file: rom.file });
}

/** `<vsock>`. */
export function vsock({ model, cid, virtio, address }: Vsock): Tag {
  const number = tag('cid', { auto: yesNo(cid === null), address: cid });
  return tag('vsock', { model }, [number, driverTag(virtio), addressTag(address)]);
}

/** `<pstore>`. */
export function pstore({ path, sizeBytes, address }: Pstore): Tag {
  return tag('pstore', { backend: 'acpi-erst' }, [
    tag('path', {}, path),
    memory('size', sizeBytes),
    addressTag(address),
  ]);
}
