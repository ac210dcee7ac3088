/** Rules on serial and parallel ports, consoles and channels, and on what is behind them. */
import { isDeepStrictEqual } from 'node:util';
import type { Address, Backend, Console, Serial } from '../domain/devices.ts';
import { devicesAt, type Known } from './known.ts';
import { quote, type Problem } from './problems.ts';
import { at, each, repeats, type Ruled, type Told } from './rule.ts';

const ports = 'the ports are 0 to 3, each once';

/** What is wrong with character devices. */
export function brokenCharacters(known: Known, domain: Ruled): Problem[] {
  const { serials, parallels, channels } = domain;
  const isTaken = repeats(serials.map(({ port }) => port));
  const isRepeated = repeats(parallels.map(({ port }) => port));
  const isNamed = repeats(channels.map(({ name }) => name));
  return [
    ...each(known, '/domain/devices/serial', serials, (serial, index) => [
      brokenPort(serial, isTaken(index)),
      brokenPlace(serial),
      brokenBackend(serial.backend, domain),
    ]),
    ...each(known, '/domain/devices/parallel', parallels, ({ port, backend }, index) => [
      port > 2 ? [`a machine has three parallel ports; this would be port ${port}`, 'they are 0 to 2'] : null,
      isRepeated(index) ? [`another parallel has port ${port} already`, 'give each its own'] : null,
      brokenBackend(backend, domain),
    ]),
    ...brokenConsoles(known, domain),
    ...each(known, '/domain/devices/channel', channels, ({ backend, name, forward, address }, index) => [
      brokenBackend(backend, domain),
      isNamed(index) ? [`another channel is ${quote(name ?? '')} already`, 'give each its own name'] : null,
      forward !== null && address !== null
        ? ['a forwarded channel is no virtio-serial port', 'remove the address']
        : null,
    ]),
  ];
}

function brokenPort({ model, port }: Serial, isTaken: boolean): Told | null {
  if (model === 'isa-serial' && port > 3) return [`a machine has four serial ports; this would be port ${port}`, ports];
  return isTaken ? [`another serial has port ${port} already`, ports] : null;
}

const buses = { 'isa-serial': 'isa', 'isa-debugcon': 'isa', 'usb-serial': 'usb', 'pci-serial': 'pci' } as const;

function brokenPlace({ model, address }: Serial): Told | null {
  const expected: Address['type'] = buses[model];
  if (address === null || address.type === expected) return null;
  return [`a ${model} has no ${address.type} address`, `write <address type='${expected}' .../>, or another model`];
}

/** What is wrong with what is behind a line of a domain. */
export function brokenBackend(backend: Backend, { graphics }: Pick<Ruled, 'graphics'>): Told | null {
  switch (backend.type) {
    case 'unix':
      return brokenSocket(backend) ?? brokenReconnect(backend);
    case 'tcp':
      return brokenReconnect(backend);
    case 'udp':
      if (backend.port > 0) return null;
      return ['it is not told where to send to', "add <source mode='connect' host='...' service='...'/>"];
    case 'spicevmc':
    case 'spiceport':
      if (graphics.some(({ type }) => type === 'spice')) return null;
      return ['there is no spice server for its viewer', "add <graphics type='spice' autoport='yes'/>"];
    case 'dbus':
      if (graphics.some(({ type }) => type === 'dbus')) return null;
      return ['there is no screen on D-Bus beside which it would be', "add <graphics type='dbus' p2p='yes'/>"];
    default:
      return null;
  }
}

function brokenSocket({ mode, path }: Extract<Backend, { type: 'unix' }>): Told | null {
  if (mode === 'bind' || path !== null) return null;
  return ["mode='connect' is to a socket that is there already, and none is named", "add path='/run/...'"];
}

function brokenReconnect({ mode, reconnectSeconds }: Extract<Backend, { type: 'unix' | 'tcp' }>): Told | null {
  if (reconnectSeconds === 0) return ['it is not told when to connect again', "add timeout='10', in seconds"];
  if (mode === 'connect' || reconnectSeconds === null) return null;
  return ['who listens does not connect again', "remove <reconnect>, or write mode='connect'"];
}

function brokenConsoles(known: Known, domain: Ruled): Problem[] {
  const { consoles, serials } = domain;
  return devicesAt(known, '/domain/devices/console').flatMap((element, index) => {
    const console = consoles[index];
    if (console === undefined) return [];
    const wrong = console.kind === 'virtio' ? brokenVirtio(console, consoles) : brokenDouble(console, serials);
    const told = wrong ?? brokenBackend(console.backend, domain);
    return told ? [at(element, '/domain/devices/console', ...told)] : [];
  });
}

function brokenVirtio(console: Console, consoles: readonly Console[]): Told | null {
  const first = consoles.find(({ kind, port }) => kind === 'virtio' && port === console.port);
  if (first !== console) return [`another console has port ${console.port} already`, 'give each its own port'];
  if (console.address === null || console.address.type === 'virtio-serial') return null;
  return [`a virtio console has no ${console.address.type} address`, "write <address type='virtio-serial' .../>"];
}

function brokenDouble(console: Console, serials: readonly Serial[]): Told | null {
  const serial = serials.find(({ port }) => port === console.port);
  if (console.port > 3 && (serial === undefined || serial.model === 'isa-serial'))
    return [`a machine has four serial ports; there is no port ${console.port}`, ports];
  const hint = "give both the same type, source and port, or the console target type='virtio'";
  if (serial === undefined) return [`there is no serial with port ${console.port} for it to double`, hint];
  if (console.address !== null && !isDeepStrictEqual(console.address, serial.address))
    return ['it doubles a serial port, which has another address', 'remove the address'];
  const isSame = isDeepStrictEqual(withoutAppend(serial.backend), withoutAppend(console.backend));
  return isSame ? null : [`it doubles serial port ${console.port}, which goes elsewhere`, hint];
}

/** Whether a file is appended to is the serial port's to say. */
function withoutAppend(backend: Backend): Backend {
  return backend.type === 'file' ? { ...backend, append: null } : backend;
}
