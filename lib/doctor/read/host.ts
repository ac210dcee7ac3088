/** All readings of this host. A part that cannot be read is unknown; it never keeps the others from being read. */
import { surveyCgroups } from '../../../cgroups/survey.ts';
import { connectRunning } from '../../client/autostart.ts';
import { asDomctlError } from '../../errors.ts';
import type { Places } from '../../places.ts';
import type { DaemonReading, HostReadings } from '../readings.ts';
import { nearestThere, readConfiguration, readDirectories, readLocks } from './configuration.ts';
import { imageDirectories, readDevices, readFirmware, readHypervisor, readTools } from './hypervisor.ts';
import { readMemory } from './memory.ts';
import { loadAddon, readKernel, readProgram } from './program.ts';

export async function readHost(places: Places): Promise<HostReadings> {
  const addon = await loadAddon();
  const configuration = await readConfiguration(places);
  const locked = [nearestThere(places.stateDir), ...imageDirectories.filter((path) => nearestThere(path) === path)];
  return {
    program: readProgram(addon),
    kernel: await readKernel(addon),
    cgroups: surveyCgroups(places.cgroupRoot),
    memory: await readMemory(),
    configuration,
    hypervisor: await readHypervisor(places, configuration.host?.user ?? null),
    devices: await readDevices(),
    tools: readTools(),
    firmware: readFirmware(),
    directories: readDirectories(places),
    locks: await readLocks(addon, [...new Set(locked)]),
    daemon: await readDaemon(places),
  };
}

async function readDaemon(places: Places): Promise<DaemonReading> {
  try {
    const client = await connectRunning(places);
    if (!client) return { kind: 'none' };
    const { version, pid } = await client.version();
    return { kind: 'running', version, pid };
  } catch (error) {
    const { message, hint } = asDomctlError(error);
    return { kind: 'failed', failure: { message, hint } };
  }
}
