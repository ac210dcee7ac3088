/**
 * What must hold between several values of one definition; each alone is fine by the table.
 * Expects a document the table accepts.
 */
import type { Backend, Console, Serial } from '../domain/devices.ts';
import { find, findAll, valueAt, type Known } from './check.ts';
import { readConsoles, readSerials } from './consoles.ts';
import { sizeAt } from './memory.ts';
import { readPolicy } from './policy.ts';
import { quote, type Problem } from './problems.ts';
import type { PropertyPath } from './properties.ts';

/** Every rule the document breaks. */
export function brokenRules(domain: Known): Problem[] {
  return [
    ...brokenMemory(domain),
    ...repeatedTargets(domain),
    ...brokenSerials(domain),
    ...brokenConsoles(domain),
    ...readPolicy(find(domain, '/domain/metadata')?.element ?? null).problems,
  ];
}

function brokenMemory(domain: Known): Problem[] {
  const memory = sizeAt(domain, '/domain/memory');
  const current = sizeAt(domain, '/domain/currentMemory');
  const tooLarge = 'more memory than there is on any host';
  const problems: Problem[] = [];
  if (memory === null) problems.push(at(domain, '/domain/memory', tooLarge, 'check the unit'));
  if (current === null) problems.push(at(domain, '/domain/currentMemory', tooLarge, 'check the unit'));
  // libvirt lowers it without a word.
  if (typeof memory === 'number' && typeof current === 'number' && current > memory) {
    const hint = 'make it at most <memory>, or leave it out';
    problems.push(at(domain, '/domain/currentMemory', 'the current memory is more than <memory>', hint));
  }
  return problems;
}

function repeatedTargets(domain: Known): Problem[] {
  const seen = new Set<string>();
  return findAll(domain, '/domain/devices', '/domain/devices/disk').flatMap((disk) => {
    const target = valueAt(disk, '/domain/devices/disk/target/@dev') ?? '';
    const isRepeated = seen.has(target);
    seen.add(target);
    const message = `another disk is ${quote(target)} already`;
    return isRepeated ? [at(disk, '/domain/devices/disk/target', message, 'give each disk a target of its own')] : [];
  });
}

const ports = 'the ports are 0 to 3, each once';

function brokenSerials(domain: Known): Problem[] {
  const taken = readSerials(domain).map(({ port }) => port);
  return findAll(domain, '/domain/devices', '/domain/devices/serial').flatMap((serial, index) => {
    const port = taken[index] ?? 0;
    const key = '/domain/devices/serial';
    if (port > 3) return [at(serial, key, `a machine has four serial ports; this would be port ${port}`, ports)];
    return taken.indexOf(port) === index ? [] : [at(serial, key, `another serial has port ${port} already`, ports)];
  });
}

function brokenConsoles(domain: Known): Problem[] {
  const consoles = readConsoles(domain);
  const serials = readSerials(domain);
  return findAll(domain, '/domain/devices', '/domain/devices/console').flatMap((element, index) => {
    const console = consoles[index];
    const wrong =
      console?.kind === 'virtio' ? brokenVirtio(console, consoles) : console && brokenDouble(console, serials);
    return wrong ? [at(element, '/domain/devices/console', ...wrong)] : [];
  });
}

type Told = readonly [message: string, hint: string];

function brokenVirtio(console: Console, consoles: readonly Console[]): Told | null {
  const first = consoles.find(({ kind, port }) => kind === 'virtio' && port === console.port);
  return first === console ? null : [`another console has port ${console.port} already`, 'give each its own port'];
}

function brokenDouble(console: Console, serials: readonly Serial[]): Told | null {
  if (console.port > 3) return [`a machine has four serial ports; there is no port ${console.port}`, ports];
  const serial = serials.find(({ port }) => port === console.port);
  const hint = "give both the same path and port, or the console target type='virtio'";
  if (serial === undefined) return [`there is no serial with port ${console.port} for it to double`, hint];
  const isSame = pathOf(serial.backend) === pathOf(console.backend);
  return isSame ? null : [`it doubles serial port ${console.port}, which goes to another file`, hint];
}

function at(known: Known, key: PropertyPath, message: string, hint: string): Problem {
  const { position, path } = (find(known, key) ?? known).element;
  return { kind: 'invalid', position, path, message, hint };
}

function pathOf(backend: Backend): string | null {
  return backend.type === 'file' ? backend.path : null;
}
