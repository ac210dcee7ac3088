/**
 * XML -> serial ports, consoles and channels. libvirt ties the first two together: a console of target type serial doubles a
 * serial port. One without any serial port makes that port (libvirt's virDomainDefAddConsoleCompat).
 */
import type { Backend, BackendLog, Channel, Console, Serial } from '../domain/devices.ts';
import { readAddress } from './addresses.ts';
import { devicesAt, need, valueAt, type Known } from './known.ts';

type CharacterKey = `/domain/devices/${'serial' | 'console' | 'channel'}`;

/** All of them; among the serial ports those that only a console asks for. */
export function readCharacters(domain: Known): { serials: Serial[]; consoles: Console[]; channels: Channel[] } {
  const consoles = readConsoles(domain);
  return { serials: readSerials(domain, consoles), consoles, channels: readChannels(domain) };
}

function readSerials(domain: Known, consoles: readonly Console[]): Serial[] {
  const serials = devicesAt(domain, '/domain/devices/serial');
  if (serials.length > 0) {
    return serials.map((serial) => ({
      ...readEnds(serial, '/domain/devices/serial'),
      port: portOf(serial, serials),
    }));
  }
  return consoles
    .filter(({ kind }) => kind === 'serial')
    .slice(0, 1)
    .map(({ backend, log, port }) => ({ backend, log, port }));
}

/** As given, else counted up from the highest port given, as libvirt does. */
function portOf(serial: Known, all: readonly Known[]): number {
  const given = valueAt(serial, '/domain/devices/serial/target/@port');
  if (given !== undefined) return given;
  const ports = all.map((one) => valueAt(one, '/domain/devices/serial/target/@port'));
  const unnumbered = all.filter((_, index) => ports[index] === undefined);
  return Math.max(-1, ...ports.filter((port) => port !== undefined)) + 1 + unnumbered.indexOf(serial);
}

/** A virtio console without a port has its place among the consoles for one. */
function readConsoles(domain: Known): Console[] {
  return devicesAt(domain, '/domain/devices/console').map((console, index) => {
    const kind = valueAt(console, '/domain/devices/console/target/@type') ?? 'serial';
    return {
      kind,
      ...readEnds(console, '/domain/devices/console'),
      port: valueAt(console, '/domain/devices/console/target/@port') ?? (kind === 'virtio' ? index : 0),
      address: readAddress(console, '/domain/devices/console'),
    };
  });
}

function readChannels(domain: Known): Channel[] {
  return devicesAt(domain, '/domain/devices/channel').map((channel) => ({
    ...readEnds(channel, '/domain/devices/channel'),
    name: need(channel, '/domain/devices/channel/target/@name'),
    address: readAddress(channel, '/domain/devices/channel'),
  }));
}

function readEnds(device: Known, key: CharacterKey): { backend: Backend; log: BackendLog | null } {
  return { backend: readBackend(device, key), log: readLog(device, key) };
}

function readBackend(device: Known, key: CharacterKey): Backend {
  const type = need(device, `${key}/@type`);
  switch (type) {
    case 'pty':
    case 'null':
      return { type };
    case 'file':
      return {
        type,
        path: need(device, `${key}[file]/source/@path`),
        append: valueAt(device, `${key}/source/@append`) ?? null,
      };
    case 'unix':
      return {
        type,
        mode: valueAt(device, `${key}/source/@mode`) ?? 'bind',
        path: valueAt(device, `${key}[unix]/source/@path`) ?? null,
      };
    case 'tcp':
      return {
        type,
        mode: need(device, `${key}/source/@mode`),
        host: need(device, `${key}/source/@host`),
        port: need(device, `${key}/source/@service`),
        telnet: valueAt(device, `${key}/protocol/@type`) === 'telnet',
      };
  }
}

function readLog(device: Known, key: CharacterKey): BackendLog | null {
  const path = valueAt(device, `${key}/log/@file`);
  return path === undefined ? null : { path, append: valueAt(device, `${key}/log/@append`) ?? null };
}
