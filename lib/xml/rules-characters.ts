/** Rules on serial ports, consoles and channels. */
import { isDeepStrictEqual } from 'node:util';
import type { Backend, Console, Serial } from '../domain/devices.ts';
import { devicesAt, type Known } from './known.ts';
import { quote, type Problem } from './problems.ts';
import { at, each, repeats, type Ruled, type Told } from './rule.ts';

const ports = 'the ports are 0 to 3, each once';

/** What is wrong with character devices. */
export function brokenCharacters(known: Known, { serials, consoles, channels }: Ruled): Problem[] {
  const isTaken = repeats(serials.map(({ port }) => port));
  const isNamed = repeats(channels.map(({ name }) => name));
  return [
    ...each(known, '/domain/devices/serial', serials, ({ port, backend }, index) => [
      brokenPort(port, isTaken(index)),
      brokenBackend(backend),
    ]),
    ...brokenConsoles(known, serials, consoles),
    ...each(known, '/domain/devices/channel', channels, ({ backend, name }, index) => [
      brokenBackend(backend),
      isNamed(index) ? [`another channel is ${quote(name)} already`, 'give each its own name'] : null,
    ]),
  ];
}

function brokenPort(port: number, isTaken: boolean): Told | null {
  if (port > 3) return [`a machine has four serial ports; this would be port ${port}`, ports];
  return isTaken ? [`another serial has port ${port} already`, ports] : null;
}

function brokenBackend(backend: Backend): Told | null {
  if (backend.type !== 'unix' || backend.mode === 'bind' || backend.path !== null) return null;
  return ["mode='connect' is to a socket that is there already, and none is named", "add path='/run/...'"];
}

function brokenConsoles(known: Known, serials: readonly Serial[], consoles: readonly Console[]): Problem[] {
  return devicesAt(known, '/domain/devices/console').flatMap((element, index) => {
    const console = consoles[index];
    if (console === undefined) return [];
    const wrong = console.kind === 'virtio' ? brokenVirtio(console, consoles) : brokenDouble(console, serials);
    const told = wrong ?? brokenBackend(console.backend);
    return told ? [at(element, '/domain/devices/console', ...told)] : [];
  });
}

function brokenVirtio(console: Console, consoles: readonly Console[]): Told | null {
  const first = consoles.find(({ kind, port }) => kind === 'virtio' && port === console.port);
  return first === console ? null : [`another console has port ${console.port} already`, 'give each its own port'];
}

function brokenDouble(console: Console, serials: readonly Serial[]): Told | null {
  if (console.port > 3) return [`a machine has four serial ports; there is no port ${console.port}`, ports];
  const serial = serials.find(({ port }) => port === console.port);
  const hint = "give both the same type, source and port, or the console target type='virtio'";
  if (serial === undefined) return [`there is no serial with port ${console.port} for it to double`, hint];
  if (console.address !== null) return ['it doubles a serial port, which has no address', 'remove the address'];
  const isSame = isDeepStrictEqual(withoutAppend(serial.backend), withoutAppend(console.backend));
  return isSame ? null : [`it doubles serial port ${console.port}, which goes elsewhere`, hint];
}

/** Whether a file is appended to is the serial port's to say. */
function withoutAppend(backend: Backend): Backend {
  return backend.type === 'file' ? { ...backend, append: null } : backend;
}
