/** Controllers -> XML. */
import type { Controller, ScsiController } from '../domain/devices.ts';
import { addressTag } from './addresses.ts';
import { onOff, tag, type Tag } from './serialize.ts';
import { virtioAttributes } from './virtio-driver.ts';

/** `<controller>`. */
export function controller(one: Controller): Tag {
  const { type, index } = one;
  const ports = one.type === 'usb' || one.type === 'virtio-serial' ? one.ports : null;
  const vectors = one.type === 'virtio-serial' ? one.vectors : null;
  const attributes = { type, index, model: modelOf(one), ports, vectors };
  return tag('controller', attributes, [...controllerParts(one), addressTag(one.address)]);
}

function modelOf(one: Controller): string | null {
  if (!('model' in one)) return null;
  return one.model === 'virtio' ? null : one.model;
}

function controllerParts(one: Controller): (Tag | null)[] {
  switch (one.type) {
    case 'usb':
      return [one.startPort === null ? null : tag('master', { startport: one.startPort })];
    case 'scsi':
      return [driver(scsiAttributes(one))];
    case 'virtio-serial':
      return [driver(virtioAttributes(one.virtio))];
    case 'pci':
      return pciParts(one);
    default:
      return [];
  }
}

type Attributes = Readonly<Record<string, string | number | null>>;

function driver(attributes: Attributes): Tag | null {
  return Object.values(attributes).every((each) => each === null) ? null : tag('driver', attributes);
}

function scsiAttributes({
  queues,
  iothread,
  commandsPerLun,
  maxSectors,
  ioeventfd,
  virtio,
}: ScsiController): Attributes {
  const limits = {
    queues,
    iothread,
    cmd_per_lun: commandsPerLun,
    max_sectors: maxSectors,
    ioeventfd: onOff(ioeventfd),
  };
  return { ...limits, ...virtioAttributes(virtio) };
}

function pciParts(one: Extract<Controller, { type: 'pci' }>): (Tag | null)[] {
  const { model, modelName, chassis, port, hotplug, busNumber, hole64Bytes } = one;
  const target = {
    [model === 'pci-bridge' ? 'chassisNr' : 'chassis']: chassis,
    port: port === null ? null : `0x${port.toString(16)}`,
    busNr: busNumber,
    hotplug: onOff(hotplug),
  };
  return [
    hole64Bytes === null ? null : tag('pcihole64', { unit: 'KiB' }, hole64Bytes / 1024),
    modelName === null ? null : tag('model', { name: modelName }),
    Object.values(target).every((each) => each === null) ? null : tag('target', target),
  ];
}
