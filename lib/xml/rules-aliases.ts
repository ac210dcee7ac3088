/** Rules on names that a definition gives its devices: each once. */
import { aliasedDevices } from '../domain/aliases.ts';
import { devicesAt, type Known } from './known.ts';
import { quote, type Problem } from './problems.ts';
import { type Ruled, when } from './rule.ts';

/** What is wrong with them. */
export function brokenAliases(known: Known, { aliases, consoles }: Ruled): Problem[] {
  if (aliases.length === 0) return [];
  const elements = new Map(aliasedDevices.map((device) => [device, devicesAt(known, `/domain/devices/${device}`)]));
  const taken = new Set<string>();
  return aliases.flatMap(({ device, index, name }) => {
    const element = elements.get(device)?.[index];
    // One that doubles a serial port has that one's name, as libvirt prints it.
    if (element === undefined || (device === 'console' && consoles[index]?.kind === 'serial')) return [];
    const isTaken = taken.has(name);
    taken.add(name);
    const message = `another device is called ${quote(name)} already`;
    return when(isTaken, element, `/domain/devices/${device}/alias`, message, 'give each its own name');
  });
}
