/**
 * Serial ports and consoles, which libvirt ties together: a console of target type serial doubles a serial port. One without
 * any serial port makes that port (libvirt's virDomainDefAddConsoleCompat).
 */
import type { Backend, Console, Serial } from '../domain/devices.ts';
import { findAll, valueAt, type Known } from './check.ts';

/** The serial ports, those that only a console asks for included. */
export function readSerials(domain: Known): readonly Serial[] {
  const serials = elements(domain, '/domain/devices/serial');
  if (serials.length > 0) return serials.map((serial) => ({ ...readSerial(serial), port: portOf(serial, serials) }));
  return readConsoles(domain)
    .filter(({ kind }) => kind === 'serial')
    .slice(0, 1)
    .map(({ backend, log, port }) => ({ backend, log, port }));
}

function readSerial(serial: Known): Omit<Serial, 'port'> {
  return {
    backend: {
      type: 'file',
      path: valueAt(serial, '/domain/devices/serial/source/@path') ?? '',
      append: valueAt(serial, '/domain/devices/serial/source/@append') ?? null,
    },
    log: null,
  };
}

/** As given, else counted up from the highest port given, as libvirt does. */
function portOf(serial: Known, all: readonly Known[]): number {
  const given = valueAt(serial, '/domain/devices/serial/target/@port');
  if (given !== undefined) return given;
  const ports = all.map((one) => valueAt(one, '/domain/devices/serial/target/@port'));
  const unnumbered = all.filter((_, index) => ports[index] === undefined);
  return Math.max(-1, ...ports.filter((port) => port !== undefined)) + 1 + unnumbered.indexOf(serial);
}

/** The `<console>` elements; a virtio one without a port has its place among the consoles for one. */
export function readConsoles(domain: Known): readonly Console[] {
  return elements(domain, '/domain/devices/console').map((console, index) => {
    const kind = valueAt(console, '/domain/devices/console/target/@type') ?? 'serial';
    return {
      kind,
      backend: {
        type: 'file',
        path: valueAt(console, '/domain/devices/console/source/@path') ?? '',
        append: valueAt(console, '/domain/devices/console/source/@append') ?? null,
      } satisfies Backend,
      log: null,
      address: null,
      port: valueAt(console, '/domain/devices/console/target/@port') ?? (kind === 'virtio' ? index : 0),
    };
  });
}

function elements(domain: Known, key: '/domain/devices/serial' | '/domain/devices/console'): readonly Known[] {
  return findAll(domain, '/domain/devices', key);
}
