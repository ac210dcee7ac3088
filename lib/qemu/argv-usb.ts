/** USB controllers and the places of USB devices as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { Address, Controller, Disk, Input, Interface, Serial, UsbModel } from '../domain/devices.ts';
import type { Hostdev } from '../domain/hostdev.ts';
import { isUsbCard } from '../domain/network.ts';
import type { Hub, Redirdev, Smartcard } from '../domain/redirection.ts';
import type { Sound } from '../domain/sound.ts';
import { type Part, given, impossible, pciDevice } from './arguments.ts';
import { cardReaders } from './card-readers.ts';
import type { MachineFamily } from './machine-family.ts';

type UsbController = Extract<Controller, { type: 'usb' }>;

const usbDrivers: Readonly<Record<Exclude<UsbModel, 'none'>, string>> = {
  'piix3-uhci': 'piix3-usb-uhci',
  'qemu-xhci': 'qemu-xhci',
  'nec-xhci': 'nec-usb-xhci',
  'ich9-ehci1': 'ich9-usb-ehci1',
  'ich9-uhci1': 'ich9-usb-uhci1',
  'ich9-uhci2': 'ich9-usb-uhci2',
  'ich9-uhci3': 'ich9-usb-uhci3',
  'piix4-uhci': 'piix4-usb-uhci',
  ehci: 'usb-ehci',
  'vt82c686b-uhci': 'vt82c686b-usb-uhci',
  'pci-ohci': 'pci-ohci',
};

/** The companions of an EHCI take its slower devices: they share its bus, and ports from `startPort` on. */
const companionPorts: Partial<Record<UsbModel, number>> = { 'ich9-uhci1': 0, 'ich9-uhci2': 2, 'ich9-uhci3': 4 };

/** A USB controller, unless it is `none`. */
export function usbController(controller: UsbController, family: MachineFamily): Part[] {
  const { index, ports, startPort } = controller;
  const model = controller.model ?? (family === 'pc' ? 'piix3-uhci' : 'qemu-xhci');
  if (model === 'none') return [];
  const id = usbId(index);
  const firstport = companionPorts[model];
  const names = firstport === undefined ? { id } : { masterbus: `${id}.0`, firstport: startPort ?? firstport };
  const sizes = model.endsWith('xhci') && ports !== null ? { p2: ports, p3: ports } : {};
  const properties = { driver: usbDrivers[model], ...sizes, ...names };
  return [pciDevice('controller', usbAddress(controller, model, family), properties)];
}

/** Id of a USB controller; its bus is `<id>.0`. */
function usbId(index: number): string {
  return index === 0 ? 'usb' : `usb${index}`;
}

/** On real boards the first one is a function of PIIX3, or the group at 1d of ICH9. */
function usbAddress({ index, address }: UsbController, model: UsbModel, family: MachineFamily): Address | null {
  if (address !== null || index > 0) return address;
  if (family === 'pc' && model === 'piix3-uhci') return onRootBus(1, 2);
  const number = family === 'q35' ? ich9Functions[model] : undefined;
  return number === undefined ? null : onRootBus(0x1d, number);
}

const ich9Functions: Partial<Record<UsbModel, number>> = {
  'ich9-ehci1': 7,
  'ich9-uhci1': 0,
  'ich9-uhci2': 1,
  'ich9-uhci3': 2,
};

function onRootBus(slot: number, number: number): Address {
  return { type: 'pci', domain: 0, bus: 0, slot, function: number, multifunction: false };
}

/** Where the USB devices of a domain are plugged in, to be asked once for each of its devices. */
export type UsbPlaces = ReadonlyMap<UsbDevice, object>;

/** A smart card stands for the reader it is the first in, where the definition has none of that number. */
type UsbDevice = Disk | Interface | Controller | Input | Sound | Serial | Hub | Redirdev | Smartcard | Hostdev;

/**
 * `bus` and, as soon as one device names its port, `port` of each USB device: QEMU gives out ports in the order of the
 * command line, and would give away the one that a later device names. Throws INVALID_XML without a controller.
 */
export function usbPlaces(domain: Domain): UsbPlaces {
  const devices = usbDevices(domain);
  if (devices.length > 0 && domain.controllers.some((each) => each.type === 'usb' && each.model === 'none')) {
    throw impossible('the domain has a USB device and no USB', "remove <controller type='usb' model='none'/>");
  }
  const named = devices.flatMap(({ address }) => (address?.type === 'usb' ? [address] : []));
  const taken = new Set(named.filter(({ bus }) => bus === 0).map(({ port }) => port));
  return new Map(
    devices.map((each) => {
      if (each.address?.type === 'usb') return [each, plug(each.address.bus, each.address.port)];
      return [each, plug(0, named.length === 0 ? null : freePort(taken))];
    }),
  );
}

/** In the order of the command line, in which ports are given out. */
function usbDevices(domain: Domain): UsbDevice[] {
  const { hubs, disks, interfaces, serials, inputs, sounds, redirdevs, hostdevs } = domain;
  const onBus = ({ bus }: Disk | Input): boolean => bus === 'usb';
  return [
    ...hubs,
    ...disks.filter(onBus),
    ...interfaces.filter(({ model }) => isUsbCard(model)),
    ...cardReaders(domain).map(({ device }) => device),
    ...serials.filter(({ model }) => model === 'usb-serial'),
    ...inputs.filter(onBus),
    ...sounds.filter(({ model }) => model === 'usb'),
    ...redirdevs,
    ...hostdevs.filter(({ type }) => type === 'usb'),
  ];
}

function plug(bus: number, port: string | null): object {
  return { bus: `${usbId(bus)}.0`, ...given('port', port) };
}

/** Takes the lowest free port. */
function freePort(taken: Set<string>): string {
  let port = 1;
  while (taken.has(String(port))) port += 1;
  taken.add(String(port));
  return String(port);
}
