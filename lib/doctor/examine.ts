/** The doctor: reads the host once, judges every requirement by what was read. Works where the daemon cannot start. */
import type { Places } from '../places.ts';
import { checkCgroups } from './checks/cgroups.ts';
import { checkConfiguration, checkDirectories } from './checks/configuration.ts';
import { checkDevices, checkHypervisor } from './checks/hypervisor.ts';
import { checkMemory } from './checks/memory.ts';
import { checkKernel, checkProgram } from './checks/program.ts';
import { checkDaemon, checkTools } from './checks/tools.ts';
import type { Finding, Section } from './finding.ts';
import { readHost } from './read/host.ts';
import type { HostReadings } from './readings.ts';

/** What is looked at, in the order in which a person would put it right. */
const checks: readonly (readonly [group: string, check: (host: HostReadings) => readonly Finding[]])[] = [
  ['Program', checkProgram],
  ['Kernel', checkKernel],
  ['Cgroups', checkCgroups],
  ['Memory', checkMemory],
  ['Configuration', checkConfiguration],
  ['Directories', checkDirectories],
  ['Hypervisor', checkHypervisor],
  ['Devices', checkDevices],
  ['Tools', checkTools],
  ['Daemon', checkDaemon],
];

/** Pure: every finding about a host, by group. */
export function judgeHost(host: HostReadings): Section[] {
  return checks.map(([group, check]) => ({ group, findings: check(host) }));
}

/** Every finding about this host. Changes nothing but a file it makes and removes to try its locks. */
export async function examineHost(places: Places): Promise<Section[]> {
  return judgeHost(await readHost(places));
}
