/** Who made this host's processor. */
import { readFileSync } from 'node:fs';

const vendors: Readonly<Record<string, string>> = {
  GenuineIntel: 'Intel',
  AuthenticAMD: 'AMD',
  HygonGenuine: 'Hygon',
};

/** By libvirt's name where it has one, else as the processor says; null: it does not say. */
export function processorVendor(cpuinfo = readFileSync('/proc/cpuinfo', 'utf8')): string | null {
  const name = /^vendor_id\s*:\s*(\S+)/m.exec(cpuinfo)?.[1];
  return name === undefined ? null : (vendors[name] ?? name);
}
