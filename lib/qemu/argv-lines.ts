/** Serial ports, channels and consoles as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import type { Address, Console, Serial } from '../domain/devices.ts';
import { device } from './arguments.ts';
import { chardev } from './chardev.ts';

/** Serial ports, then channels, then consoles: each a chardev, `char<id>`, and its device. */
export function lineArguments(domain: Domain, socketDir: string): string[] {
  const ports = channelPorts(domain);
  return [
    ...domain.serials.flatMap((each, index) => serialArguments(each, index, socketDir)),
    ...domain.channels.flatMap((each, index) => {
      const { name } = each;
      const line = { driver: 'virtserialport', ...ports[index], chardev: `charchannel${index}`, id: `channel${index}` };
      return [...chardev(line.chardev, each, socketDir), ...device({ ...line, name })];
    }),
    ...domain.consoles.flatMap((each, index) => consoleArguments(each, index, socketDir)),
  ];
}

function serialArguments(serial: Serial, index: number, socketDir: string): string[] {
  const names = { chardev: `charserial${index}`, id: `serial${index}` };
  return [
    ...chardev(names.chardev, serial, socketDir),
    ...device({ driver: 'isa-serial', ...names, index: serial.port }),
  ];
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
  return channels.map(({ address }) => {
    const asked = address?.type === 'virtio-serial' ? address : { controller: 0, bus: 0, port: 0 };
    if (asked.port > 0) return portPlace(asked);
    const place = { ...asked, port: 1 };
    while (taken.has(`${place.controller}.${place.port}`)) place.port += 1;
    taken.add(`${place.controller}.${place.port}`);
    return portPlace(place);
  });
}
