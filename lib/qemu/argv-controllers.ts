/**
 * Controllers as QEMU's arguments. Pure. Owns which are implied and which the board has already; their ids are
 * libvirt's aliases, which the devices behind them name as their bus.
 */
import type { Domain } from '../domain/definition.ts';
import type { Address, Controller, PciModel } from '../domain/devices.ts';
import { iothreadName } from './argv-iothreads.ts';
import { usbController } from './argv-usb.ts';
import { type Part, given, impossible, pciDevice } from './arguments.ts';
import { driveOf } from './drive-address.ts';
import { type MachineFamily, machineFamily } from './machine-family.ts';

type Kind<Type extends Controller['type']> = Extract<Controller, { type: Type }>;

/** Bridges first: everything else may sit behind one. */
const order: readonly Controller['type'][] = ['pci', 'usb', 'scsi', 'ide', 'sata', 'virtio-serial'];

/** Every controller the board has not by itself, those of the definition and those its devices need. */
export function controllerParts(domain: Domain): Part[] {
  const family = machineFamily(domain.os.machine);
  const all = [...domain.controllers, ...implied(domain, family)].sort((a, b) => a.index - b.index);
  return order.flatMap((type) => all.filter((each) => each.type === type)).flatMap((each) => partsOf(each, family));
}

/** Model of the scsi controller with that index, which decides how its disks are addressed. */
export function scsiModel(domain: Domain, index: number): 'virtio-scsi' | 'lsilogic' {
  const found = domain.controllers.find((each) => each.type === 'scsi' && each.index === index);
  return found?.type === 'scsi' ? (found.model ?? 'virtio-scsi') : 'virtio-scsi';
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

function usb(index: number): Controller {
  return { ...unplaced, type: 'usb', index, model: null, ports: null, startPort: null };
}

/** Controllers 0 to `highest` that the definition has not, as libvirt fills them up. */
function missing(controllers: readonly Controller[], type: 'scsi' | 'sata', highest: number): Controller[] {
  const there = new Set(controllers.filter((each) => each.type === type).map(({ index }) => index));
  const indexes = Array.from({ length: highest + 1 }, (_none, index) => index).filter((index) => !there.has(index));
  return indexes.map((index) => {
    return type === 'scsi'
      ? { ...unplaced, type, index, model: null, queues: null, iothread: null }
      : { ...unplaced, type, index };
  });
}

function highestDrive({ disks }: Domain, type: 'scsi' | 'sata'): number {
  return Math.max(-1, ...disks.filter(({ bus }) => bus === type).map((disk) => driveOf(disk)?.controller ?? -1));
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
    .map((index) => ({ ...unplaced, type: 'virtio-serial', index }));
}

/** A bus that some address names and no controller makes gets the usual one of its board. */
function impliedBridges(domain: Domain, family: 'pc' | 'q35'): Controller[] {
  const there = new Set(domain.controllers.filter(({ type }) => type === 'pci').map(({ index }) => index));
  const named = new Set(addresses(domain).flatMap((each) => (each?.type === 'pci' ? [each.bus] : [])));
  const model = family === 'pc' ? 'pci-bridge' : 'pcie-root-port';
  return [...named]
    .filter((bus) => bus > 0 && !there.has(bus))
    .map((index) => ({ ...unplaced, type: 'pci', index, model, modelName: null, chassis: null, port: null }));
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
    single,
    blocks,
  ];
  return lists.flatMap((list) => list.map(({ address }) => address));
}

function partsOf(controller: Controller, family: MachineFamily): Part[] {
  switch (controller.type) {
    case 'pci':
      return bridge(controller);
    case 'usb':
      return usbController(controller, family);
    case 'scsi':
      return scsiController(controller);
    case 'ide':
    case 'sata':
      return diskController({ ...controller, type: controller.type }, family);
    case 'virtio-serial': {
      const properties = { driver: 'virtio-serial-pci', id: `virtio-serial${controller.index}` };
      return [pciDevice('controller', controller.address, properties)];
    }
  }
}

function scsiController({ index, model, queues, iothread, address }: Kind<'scsi'>): Part[] {
  const driver = model === 'lsilogic' ? 'lsi' : 'virtio-scsi-pci';
  const threads = { ...given('iothread', iothread && iothreadName(iothread)), ...given('num_queues', queues) };
  return [pciDevice('controller', address, { driver, ...threads, id: `scsi${index}` })];
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

/** Drivers a definition may choose, the first by default; the root buses are the board's own. */
const bridges: Readonly<Record<PciModel, readonly string[]>> = {
  'pci-root': [],
  'pcie-root': [],
  'pci-bridge': ['pci-bridge'],
  'pcie-root-port': ['pcie-root-port', 'ioh3420'],
  'pcie-to-pci-bridge': ['pcie-pci-bridge'],
  'dmi-to-pci-bridge': ['i82801b11-bridge'],
  'pcie-switch-upstream-port': ['x3130-upstream'],
  'pcie-switch-downstream-port': ['xio3130-downstream'],
};

function bridge(controller: Kind<'pci'>): Part[] {
  const { index, model, modelName, address } = controller;
  const [usual] = bridges[model];
  if (usual === undefined) return [];
  const driver = modelName ?? usual;
  if (!bridges[model].includes(driver)) {
    throw impossible(`a ${model} cannot be a ${JSON.stringify(driver)}`, `known: ${bridges[model].join(', ')}`);
  }
  if (model.startsWith('pcie-switch-') && address?.type !== 'pci') {
    throw impossible(`pci controller ${index}, a ${model}, has no address`, "give it an <address type='pci' bus=../>");
  }
  const hotplug = model === 'pcie-root-port' || model === 'pcie-switch-downstream-port';
  const bus = hotplug ? index : null;
  const properties = { driver, ...portProperties(controller), id: `pci.${index}` };
  return [{ ...pciDevice('bridge', address, properties), port: bus }];
}

/** A chassis is a number of its own for each hot-pluggable slot; without the definition's it is the index, as libvirt's. */
function portProperties({ model, index, chassis, port, address }: Kind<'pci'>): object {
  switch (model) {
    case 'pci-bridge':
      return { chassis_nr: chassis ?? index };
    case 'pcie-root-port':
      return { ...given('port', port), chassis: chassis ?? index };
    case 'pcie-switch-downstream-port':
      return { port: port ?? (address?.type === 'pci' ? address.slot : index), chassis: chassis ?? index };
    default:
      return {};
  }
}
