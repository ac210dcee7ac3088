/** PCI bridges as QEMU's arguments. Pure. Owns which drivers each model can be, and what they are told. */
import type { Controller, PciModel } from '../domain/devices.ts';
import { type Part, given, impossible, pciDevice } from './arguments.ts';
import type { MachineFamily } from './machine-family.ts';

type Bridge = Extract<Controller, { type: 'pci' }>;

/** A bridge of which nothing is told but its model. */
export const plainBridge = {
  type: 'pci',
  modelName: null,
  chassis: null,
  port: null,
  hotplug: null,
  busNumber: null,
  hole64Bytes: null,
} as const;

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
  'pci-expander-bus': ['pxb'],
  'pcie-expander-bus': ['pxb-pcie'],
};

/** A bridge; of the root bus, what the board is told about it. */
export function bridge(controller: Bridge, family: MachineFamily): Part[] {
  const { index, model, modelName, address } = controller;
  const [usual] = bridges[model];
  if (usual === undefined) return rootBus(controller, family);
  const driver = modelName ?? usual;
  if (!bridges[model].includes(driver)) {
    throw impossible(`a ${model} cannot be a ${JSON.stringify(driver)}`, `known: ${bridges[model].join(', ')}`);
  }
  if (model.startsWith('pcie-switch-') && address?.type !== 'pci') {
    throw impossible(`pci controller ${index}, a ${model}, has no address`, "give it an <address type='pci' bus=../>");
  }
  const hotplug = model === 'pcie-root-port' || model === 'pcie-switch-downstream-port';
  const bus = hotplug ? index : null;
  const properties = {
    driver,
    ...portProperties(controller),
    id: `pci.${index}`,
    ...given('hotplug', controller.hotplug),
  };
  return [{ ...pciDevice('bridge', address, properties), port: bus }];
}

const hosts = { pc: 'i440FX-pcihost', q35: 'q35-pcihost' } as const;

function rootBus({ hole64Bytes }: Bridge, family: MachineFamily): Part[] {
  if (hole64Bytes === null) return [];
  if (family === 'other') throw impossible('this machine type has no <pcihole64>', 'remove it');
  return ['-global', `${hosts[family]}.pci-hole64-size=${hole64Bytes / 1024}K`];
}

/** A chassis is a number of its own for each hot-pluggable slot; without the definition's it is the index, as libvirt's. */
function portProperties({ model, index, chassis, port, address, busNumber }: Bridge): object {
  switch (model) {
    case 'pci-bridge':
      return { chassis_nr: chassis ?? index };
    case 'pcie-root-port':
      return { ...given('port', port), chassis: chassis ?? index };
    case 'pcie-switch-downstream-port':
      return { port: port ?? (address?.type === 'pci' ? address.slot : index), chassis: chassis ?? index };
    case 'pci-expander-bus':
    case 'pcie-expander-bus':
      return { bus_nr: busNumber ?? lastBus - index };
    default:
      return {};
  }
}

/** Expanders count down from here, so that what the firmware numbers upwards does not meet them. */
const lastBus = 255;
