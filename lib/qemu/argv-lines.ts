/** Serial and parallel ports, channels and consoles as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { Address, Channel, Console, Parallel, Serial } from '../domain/devices.ts';
import type { UsbPlaces } from './argv-usb.ts';
import { type Part, device, given, json, pciDevice } from './arguments.ts';
import { chardev } from './chardev.ts';

/** Serial ports, parallel ports, channels, then consoles: each a chardev, `char<id>`, and its device. */
export function lineParts(domain: Domain, socketDir: string, usb: UsbPlaces): Part[] {
  const ports = channelPorts(domain);
  return [
    ...domain.serials.flatMap((each, index) => serialParts(each, index, { socketDir, usb })),
    ...domain.parallels.flatMap((each, index) => parallelArguments(each, index, socketDir)),
    ...domain.channels.flatMap((each, index) => [
      ...chardev(`charchannel${index}`, each, socketDir),
      ...channelArguments(each, index, ports[index] ?? {}),
    ]),
    ...domain.consoles.flatMap((each, index) => consoleArguments(each, index, socketDir)),
  ];
}

function serialParts(serial: Serial, index: number, at: { socketDir: string; usb: UsbPlaces }): Part[] {
  const { model: driver, port, address } = serial;
  const names = { chardev: `charserial${index}`, id: `serial${index}` };
  const line = chardev(names.chardev, serial, at.socketDir);
  switch (driver) {
    case 'isa-serial':
      return [...line, ...device({ driver, ...names, index: port, ...isaPlace(address) })];
    case 'isa-debugcon':
      return [...line, ...device({ driver, ...names, ...isaPlace(address) })];
    case 'usb-serial':
      return [...line, ...device({ driver, ...names, ...at.usb.get(serial) })];
    case 'pci-serial':
      return [...line, pciDevice('serial', address, { driver, ...names })];
  }
}

function parallelArguments(parallel: Parallel, index: number, socketDir: string): string[] {
  const names = { chardev: `charparallel${index}`, id: `parallel${index}` };
  const place = isaPlace(parallel.address);
  // QEMU counts them in this order, as libvirt has it: the target's port is only its name.
  return [...chardev(names.chardev, parallel, socketDir), ...device({ driver: 'isa-parallel', ...names, ...place })];
}

function isaPlace(address: Address | null): object {
  return address?.type === 'isa' ? { ...given('iobase', address.iobase), ...given('irq', address.irq) } : {};
}

/** A forwarded one is a network of its own, in which the address leads to the chardev. */
function channelArguments({ name, forward }: Channel, index: number, place: object): string[] {
  const names = { chardev: `charchannel${index}`, id: `channel${index}` };
  if (forward === null) return device({ driver: 'virtserialport', ...place, ...names, ...given('name', name) });
  const str = `tcp:${forward.address}:${forward.port}-chardev:${names.chardev}`;
  return json('-netdev', { type: 'user', guestfwd: [{ str }], id: names.id });
}

/** A console of kind serial doubles a serial port that is there already. */
function consoleArguments(console: Console, index: number, socketDir: string): string[] {
  if (console.kind === 'serial') return [];
  const names = { chardev: `charconsole${index}`, id: `console${index}` };
  const place = console.address?.type === 'virtio-serial' ? portPlace(console.address) : {};
  return [...chardev(names.chardev, console, socketDir), ...device({ driver: 'virtconsole', ...place, ...names })];
}

type SerialAddress = Extract<Address, { type: 'virtio-serial' }>;

function portPlace({ controller, bus, port }: Pick<SerialAddress, 'controller' | 'bus' | 'port'>): object {
  return { bus: `virtio-serial${controller}.${bus}`, nr: port };
}

/** Channels without a port get the free ones of their controller from 1 on; 0 is for a console. */
function channelPorts({ channels, consoles }: Domain): object[] {
  const serial = [...channels, ...consoles].flatMap(({ address }) =>
    address?.type === 'virtio-serial' ? [address] : [],
  );
  const taken = new Set(serial.map(({ controller, port }) => `${controller}.${port}`));
  return channels.map(({ address, forward }) => {
    if (forward !== null) return {};
    const asked = address?.type === 'virtio-serial' ? address : { controller: 0, bus: 0, port: 0 };
    if (asked.port > 0) return portPlace(asked);
    const place = { ...asked, port: 1 };
    while (taken.has(`${place.controller}.${place.port}`)) place.port += 1;
    taken.add(`${place.controller}.${place.port}`);
    return portPlace(place);
  });
}
