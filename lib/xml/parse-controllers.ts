/** XML -> controllers. */
import type { Controller, ScsiController } from '../domain/devices.ts';
import { readPlace } from './addresses.ts';
import { devicesAt, need, valueAt, type Known } from './known.ts';
import { readDriver } from './virtio-driver.ts';

type Unnumbered = Controller extends infer C ? (C extends Controller ? Omit<C, 'index'> : never) : never;

/** The controllers; one without an index gets the first that is free among its kind, as libvirt does it. */
export function readControllers(domain: Known): Controller[] {
  const elements = devicesAt(domain, '/domain/devices/controller');
  const taken = new Set(elements.map((one) => numberKey(one, valueAt(one, '/domain/devices/controller/@index'))));
  const all: Controller[] = [];
  const next = new Map<string, number>();
  for (const element of elements) {
    const index = valueAt(element, '/domain/devices/controller/@index') ?? freeIndex(element, { taken, all, next });
    taken.add(numberKey(element, index));
    all.push({ ...readController(element), index });
  }
  return all;
}

function numberKey(controller: Known, index: number | undefined): string {
  return `${need(controller, '/domain/devices/controller/@type')} ${index ?? 'none'}`;
}

function freeIndex(
  controller: Known,
  before: { taken: ReadonlySet<string>; all: readonly Controller[]; next: Map<string, number> },
): number {
  const isCompanion = /^ich9-uhci/.test(valueAt(controller, '/domain/devices/controller/@model') ?? '');
  const isMaster = (one: Controller): boolean => one.type === 'usb' && one.model === 'ich9-ehci1';
  const master = isCompanion ? before.all.findLast(isMaster) : undefined;
  // The four functions of an ICH9 are one controller.
  if (master !== undefined) return master.index;
  const type = need(controller, '/domain/devices/controller/@type');
  let index = before.next.get(type) ?? 0;
  while (before.taken.has(numberKey(controller, index))) index += 1;
  before.next.set(type, index + 1);
  return index;
}

function readController(controller: Known): Unnumbered {
  const type = need(controller, '/domain/devices/controller/@type');
  const address = readPlace(controller);
  switch (type) {
    case 'usb':
      return { type, address, ...readUsb(controller) };
    case 'scsi':
      return { type, address, ...readScsi(controller) };
    case 'pci':
      return { type, address, ...readPci(controller) };
    case 'virtio-serial':
      return { type, address, ...readVirtioSerial(controller) };
    default:
      return { type, address };
  }
}

function readUsb(controller: Known): Pick<Extract<Controller, { type: 'usb' }>, 'model' | 'ports' | 'startPort'> {
  return {
    model: valueAt(controller, '/domain/devices/controller[usb]/@model') ?? null,
    ports: valueAt(controller, '/domain/devices/controller[usb]/@ports') ?? null,
    startPort: valueAt(controller, '/domain/devices/controller[usb]/master/@startport') ?? null,
  };
}

function readVirtioSerial(controller: Known): Omit<Extract<Unnumbered, { type: 'virtio-serial' }>, 'type' | 'address'> {
  return {
    model: valueAt(controller, '/domain/devices/controller[virtio-serial]/@model') ?? 'virtio',
    virtio: readDriver(controller),
    ports: valueAt(controller, '/domain/devices/controller[virtio-serial]/@ports') ?? null,
    vectors: valueAt(controller, '/domain/devices/controller[virtio-serial]/@vectors') ?? null,
  };
}

function readScsi(controller: Known): Omit<ScsiController, 'type'> {
  return {
    model: valueAt(controller, '/domain/devices/controller[scsi]/@model') ?? null,
    virtio: readDriver(controller),
    queues: valueAt(controller, '/domain/devices/controller[scsi]/driver/@queues') ?? null,
    commandsPerLun: valueAt(controller, '/domain/devices/controller[scsi]/driver/@cmd_per_lun') ?? null,
    maxSectors: valueAt(controller, '/domain/devices/controller[scsi]/driver/@max_sectors') ?? null,
    ioeventfd: valueAt(controller, '/domain/devices/controller[scsi]/driver/@ioeventfd') ?? null,
    iothread: valueAt(controller, '/domain/devices/controller[scsi]/driver/@iothread') ?? null,
  };
}

function readPci(controller: Known): Omit<Extract<Unnumbered, { type: 'pci' }>, 'type' | 'address'> {
  const kib = valueAt(controller, '/domain/devices/controller[pci]/pcihole64');
  const chassis = valueAt(controller, '/domain/devices/controller[pci]/target/@chassis');
  return {
    model: need(controller, '/domain/devices/controller[pci]/@model'),
    modelName: valueAt(controller, '/domain/devices/controller[pci]/model/@name') ?? null,
    chassis: chassis ?? valueAt(controller, '/domain/devices/controller[pci]/target/@chassisNr') ?? null,
    port: valueAt(controller, '/domain/devices/controller[pci]/target/@port') ?? null,
    hotplug: valueAt(controller, '/domain/devices/controller[pci]/target/@hotplug') ?? null,
    busNumber: valueAt(controller, '/domain/devices/controller[pci]/target/@busNr') ?? null,
    hole64Bytes: kib === undefined ? null : kib * 1024,
  };
}
