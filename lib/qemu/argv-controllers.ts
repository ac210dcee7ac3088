/**
 * Controllers as QEMU's arguments. Pure. Owns which are implied and which the board has already; their ids are
 * libvirt's aliases, which the devices behind them name as their bus.
 */
import type { Domain } from '../domain/definition.ts';
import type { Address, Controller, ScsiController, ScsiModel } from '../domain/devices.ts';
import { plainVirtio } from '../domain/virtio.ts';
import { bridge, plainBridge } from './argv-bridges.ts';
import { scsiController, usualScsiModel } from './argv-scsi.ts';
import { usbController } from './argv-usb.ts';
import { virtioDriver, virtioProperties } from './argv-virtio.ts';
import { type Part, given, impossible, pciDevice } from './arguments.ts';
import { driveOf } from './drive-address.ts';
import { type MachineFamily, machineFamily } from './machine-family.ts';
import { placeSwitches } from './switch-places.ts';
import { scsiPlaces } from './scsi-places.ts';

type Kind<Type extends Controller['type']> = Extract<Controller, { type: Type }>;

/** Bridges first: everything else may sit behind one. */
const order: readonly Controller['type'][] = ['pci', 'usb', 'scsi', 'ide', 'sata', 'fdc', 'virtio-serial'];

/** Every controller the board has not by itself, those of the definition and those its devices need. */
export function controllerParts(domain: Domain): Part[] {
  const family = machineFamily(domain.os.machine);
  const named = new Set(addresses(domain).flatMap((each) => (each?.type === 'pci' ? [each.bus] : [])));
  const told = placeSwitches(domain.controllers, named);
  const all = [...told, ...implied(domain, family)].sort((a, b) => a.index - b.index);
  return order.flatMap((type) => all.filter((each) => each.type === type)).flatMap((each) => partsOf(each, family));
}

/** Model of the scsi controller with that index, which decides how its disks are addressed. */
export function scsiModel(domain: Domain, index: number): ScsiModel {
  const found = domain.controllers.find((each) => each.type === 'scsi' && each.index === index);
  return found?.type === 'scsi' ? (found.model ?? usualScsiModel) : usualScsiModel;
}

/** Whether the board has that controller by itself: PIIX3's two IDE cables, ICH9's six SATA ports. */
export function onBoard(type: 'ide' | 'sata', index: number, family: MachineFamily): boolean {
  return index === 0 && ((type === 'ide' && family === 'pc') || (type === 'sata' && family === 'q35'));
}

function implied(domain: Domain, family: MachineFamily): Controller[] {
  const { controllers } = domain;
  const types = new Set(controllers.map(({ type }) => type));
  return [
    ...(family === 'other' ? [] : impliedBridges(domain, family)),
    ...(types.has('usb') || family === 'other' ? [] : [usb(0)]),
    ...(['scsi', 'sata'] as const).flatMap((type) => missing(controllers, type, highestDrive(domain, type))),
    ...missingLines(domain),
  ];
}

const unplaced = { address: null } as const;

const plainScsi: ScsiController = {
  type: 'scsi',
  model: null,
  virtio: plainVirtio,
  queues: null,
  commandsPerLun: null,
  maxSectors: null,
  ioeventfd: null,
  iothread: null,
};

const plainSerial = {
  type: 'virtio-serial',
  model: 'virtio',
  virtio: plainVirtio,
  ports: null,
  vectors: null,
} as const;

function usb(index: number): Controller {
  return { ...unplaced, type: 'usb', index, model: null, ports: null, startPort: null };
}

/** Controllers 0 to `highest` that the definition has not, as libvirt fills them up. */
function missing(controllers: readonly Controller[], type: 'scsi' | 'sata', highest: number): Controller[] {
  const there = new Set(controllers.filter((each) => each.type === type).map(({ index }) => index));
  const indexes = Array.from({ length: highest + 1 }, (_none, index) => index).filter((index) => !there.has(index));
  return indexes.map((index) => {
    return type === 'scsi' ? { ...unplaced, ...plainScsi, index } : { ...unplaced, type, index };
  });
}

function highestDrive(domain: Domain, type: 'scsi' | 'sata'): number {
  const passed = type === 'scsi' ? [...scsiPlaces(domain).values()].map(({ controller }) => controller) : [];
  const disks = domain.disks.filter(({ bus }) => bus === type).map((disk) => driveOf(disk)?.controller ?? -1);
  return Math.max(-1, ...disks, ...passed);
}

/** Of virtio-serial only those that a line is on, whatever their numbers, as with libvirt. */
function missingLines({ controllers, channels, consoles }: Domain): Controller[] {
  const there = new Set(controllers.filter(({ type }) => type === 'virtio-serial').map(({ index }) => index));
  const lines = [
    ...channels.filter(({ forward }) => forward === null),
    ...consoles.filter(({ kind }) => kind === 'virtio'),
  ];
  const used = new Set(lines.map(({ address }) => (address?.type === 'virtio-serial' ? address.controller : 0)));
  return [...used]
    .filter((index) => !there.has(index))
    .toSorted((a, b) => a - b)
    .map((index) => ({ ...unplaced, ...plainSerial, index }));
}

/** A bus that some address names and no controller makes gets the usual one of its board. */
function impliedBridges(domain: Domain, family: 'pc' | 'q35'): Controller[] {
  const there = new Set(domain.controllers.filter(({ type }) => type === 'pci').map(({ index }) => index));
  const named = new Set(addresses(domain).flatMap((each) => (each?.type === 'pci' ? [each.bus] : [])));
  const model = family === 'pc' ? 'pci-bridge' : 'pcie-root-port';
  return [...named]
    .filter((bus) => bus > 0 && !there.has(bus))
    .map((index) => ({ ...unplaced, ...plainBridge, index, model }));
}

function addresses(domain: Domain): (Address | null)[] {
  const { controllers, disks, filesystems, interfaces, serials, videos, sounds, inputs, rngs, watchdog, memballoon } =
    domain;
  const { iommu, cryptos, hostdevs, vsock, pstore } = domain;
  const blocks = domain.memoryModules.filter((one) => one.model === 'virtio-mem');
  const single = [watchdog, memballoon, iommu, vsock, pstore].filter((each) => each !== null);
  const lists = [
    controllers,
    disks,
    filesystems,
    interfaces,
    serials,
    videos,
    sounds,
    inputs,
    rngs,
    cryptos,
    hostdevs,
    domain.shmems,
    single,
    blocks,
  ];
  return lists.flatMap((list) => list.map(({ address }) => address));
}

function partsOf(controller: Controller, family: MachineFamily): Part[] {
  switch (controller.type) {
    case 'pci':
      return bridge(controller, family);
    case 'usb':
      return usbController(controller, family);
    case 'scsi':
      return [scsiController(controller)];
    case 'fdc':
    case 'ccid':
      return [];
    case 'ide':
    case 'sata':
      return diskController({ ...controller, type: controller.type }, family);
    case 'virtio-serial':
      return [serialController(controller)];
  }
}

function serialController({ index, address, model, ports, vectors, virtio }: Kind<'virtio-serial'>): Part {
  const driver = virtioDriver('virtio-serial-pci', model);
  const sizes = { ...given('max_ports', ports), ...given('vectors', vectors) };
  return pciDevice('controller', address, {
    driver,
    ...virtioProperties(virtio),
    id: `virtio-serial${index}`,
    ...sizes,
  });
}

function diskController(
  { type, index, address }: { type: 'ide' | 'sata'; index: number; address: Address | null },
  family: MachineFamily,
): Part[] {
  if (onBoard(type, index, family)) return [];
  if (type === 'sata') return [pciDevice('controller', address, { driver: 'ahci', id: `sata${index}` })];
  if (index === 0) return [];
  throw impossible('there is one IDE controller in a machine', "use bus='sata' or bus='scsi' for more disks");
}
