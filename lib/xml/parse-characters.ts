/**
 * XML -> serial and parallel ports, consoles and channels. libvirt ties serial ports and consoles together: a console of
 * target type serial doubles a serial port. One without any serial port makes that port (libvirt's
 * virDomainDefAddConsoleCompat).
 */
import type { Backend, BackendLog, Channel, Console, Parallel, Serial } from '../domain/devices.ts';
import { readPlace } from './addresses.ts';
import { devicesAt, need, valueAt, type Known } from './known.ts';
import { readBackend, readLog } from './parse-backends.ts';

const [serialKey, parallelKey] = ['/domain/devices/serial', '/domain/devices/parallel'] as const;

interface Characters {
  readonly serials: Serial[];
  readonly parallels: Parallel[];
  readonly consoles: Console[];
  readonly channels: Channel[];
}

/** All of them; among the serial ports those that only a console asks for. */
export function readCharacters(domain: Known): Characters {
  const consoles = readConsoles(domain);
  return {
    serials: readSerials(domain, consoles),
    parallels: readParallels(domain),
    consoles,
    channels: readChannels(domain),
  };
}

function readSerials(domain: Known, consoles: readonly Console[]): Serial[] {
  const serials = devicesAt(domain, serialKey);
  if (serials.length > 0) {
    return serials.map((serial) => ({
      model: modelOf(serial),
      ...readEnds(serial, serialKey),
      port: portOf(serial, serials, serialKey),
      address: readPlace(serial),
    }));
  }
  return consoles
    .filter(({ kind }) => kind === 'serial')
    .slice(0, 1)
    .map(({ backend, log, port, address }) => ({ model: 'isa-serial', backend, log, port, address }));
}

const models = {
  'isa-serial': 'isa-serial',
  'isa-debug': 'isa-debugcon',
  'usb-serial': 'usb-serial',
  'pci-serial': 'pci-serial',
} as const;

/** As given, else by its target, else by the bus its address is of. */
function modelOf(serial: Known): Serial['model'] {
  const type = valueAt(serial, `${serialKey}/target/@type`);
  const given = valueAt(serial, `${serialKey}/target/model/@name`);
  if (given !== undefined) return given;
  return models[type ?? (`${valueAt(serial, `${serialKey}/address/@type`) ?? 'isa'}-serial` as const)];
}

function readParallels(domain: Known): Parallel[] {
  const parallels = devicesAt(domain, parallelKey);
  return parallels.map((parallel) => ({
    ...readEnds(parallel, parallelKey),
    port: portOf(parallel, parallels, parallelKey),
    address: readPlace(parallel),
  }));
}

/** As given, else counted up from the highest port given, as libvirt does. */
function portOf(one: Known, all: readonly Known[], key: typeof serialKey | typeof parallelKey): number {
  const given = valueAt(one, `${key}/target/@port`);
  if (given !== undefined) return given;
  const ports = all.map((each) => valueAt(each, `${key}/target/@port`));
  const unnumbered = all.filter((_, index) => ports[index] === undefined);
  return Math.max(-1, ...ports.filter((port) => port !== undefined)) + 1 + unnumbered.indexOf(one);
}

/** A virtio console without a port has its place among the consoles for one. */
function readConsoles(domain: Known): Console[] {
  return devicesAt(domain, '/domain/devices/console').map((console, index) => {
    const kind = valueAt(console, '/domain/devices/console/target/@type') ?? 'serial';
    return {
      kind,
      ...readEnds(console, '/domain/devices/console'),
      port: valueAt(console, '/domain/devices/console/target/@port') ?? (kind === 'virtio' ? index : 0),
      address: readPlace(console),
    };
  });
}

function readChannels(domain: Known): Channel[] {
  const key = '/domain/devices/channel';
  return devicesAt(domain, key).map((channel) => {
    const ends = readEnds(channel, key);
    const forwards = need(channel, `${key}/target/@type`) === 'guestfwd';
    return {
      ...ends,
      name: forwards ? null : (valueAt(channel, `${key}/target/@name`) ?? usualName(ends.backend)),
      forward: forwards
        ? { address: need(channel, `${key}/target/@address`), port: need(channel, `${key}/target/@port`) }
        : null,
      address: readPlace(channel),
    };
  });
}

/** The agent's, where only an agent can be meant. */
function usualName({ type }: Backend): string | null {
  return type === 'spicevmc' || type === 'qemu-vdagent' ? 'com.redhat.spice.0' : null;
}

function readEnds(
  device: Known,
  key: `/domain/devices/${'serial' | 'parallel' | 'console' | 'channel'}`,
): { backend: Backend; log: BackendLog | null } {
  return { backend: readBackend(device, key), log: readLog(device, key) };
}
