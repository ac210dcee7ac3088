/**
 * A domain as QEMU's arguments, in libvirt's order and forms. Pure: looks at no file, process or clock.
 * The quoting that keeps values from becoming options is in `arguments.ts`.
 */
import type { Domain } from '../domain/definition.ts';
import { DomctlError } from '../errors.ts';
import { clockArguments } from './argv-clock.ts';
import { processorArguments, topologyArguments } from './argv-cpu.ts';
import { deviceArguments } from './argv-devices.ts';
import { managementMemory, vmcoreinfoArguments } from './argv-features.ts';
import { acpiTableArguments, identityArguments } from './argv-identity.ts';
import { iothreadArguments } from './argv-iothreads.ts';
import { displayArguments } from './argv-graphics.ts';
import { bootArguments, firmwareArguments, machineArguments, powerArguments } from './argv-machine.ts';
import { memoryArguments } from './argv-memory.ts';
import { numaArguments } from './argv-numa.ts';
import { text } from './arguments.ts';
import { requireDevices } from './capabilities.ts';
import type { LaunchSettings } from './launch-settings.ts';

export type { LaunchSettings } from './launch-settings.ts';

/**
 * The arguments after argv[0]. The hypervisor starts paused (-S), in the foreground, and ends itself at power-off
 * unless the definition says that the machine starts again.
 * Throws HOST_LACKS when this emulator lacks what the domain names: machine type, accelerator, processor, a device,
 * async teardown; INVALID_XML for what no machine can have.
 */
export function buildArgv(domain: Domain, launch: LaunchSettings): string[] {
  const { capabilities, firmware } = launch;
  const argv = [
    ...['-name', `guest=${text(domain.name)},debug-threads=on`, '-S'],
    ...machineArguments(domain, capabilities, firmware),
    ...managementMemory(domain),
    ...processorArguments(domain, capabilities),
    ...firmwareArguments(firmware),
    ...memoryArguments(domain),
    ...topologyArguments(domain),
    ...iothreadArguments(domain),
    ...numaArguments(domain),
    ...['-uuid', domain.uuid],
    ...identityArguments(domain),
    ...displayArguments(domain),
    ...control(launch.qmpSocket),
    ...clockArguments(domain, launch.nowMs),
    ...powerArguments(domain),
    ...bootArguments(domain),
    ...acpiTableArguments(domain),
    ...deviceArguments(domain, launch),
    ...vmcoreinfoArguments(domain),
  ];
  requireDevices(capabilities, argv);
  // Not looked at: whoever wrote it answers for it.
  return [...argv, ...(domain.qemuCommandline?.args ?? []), ...confinement(launch)];
}

function control(qmpSocket: string): string[] {
  const socket = `socket,id=charmonitor,path=${text(qmpSocket)},server=on,wait=off`;
  return [
    ...['-no-user-config', '-nodefaults'],
    ...['-chardev', socket, '-mon', 'chardev=charmonitor,id=monitor,mode=control'],
  ];
}

function confinement(launch: LaunchSettings): string[] {
  const sandbox = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';
  return ['-sandbox', sandbox, ...teardown(launch), '-msg', 'timestamp=on'];
}

function teardown({ asyncTeardown, capabilities }: LaunchSettings): string[] {
  if (!asyncTeardown) return [];
  switch (capabilities.asyncTeardown) {
    case 'run-with':
      return ['-run-with', 'async-teardown=on'];
    case 'async-teardown':
      return ['-async-teardown'];
    case null:
      throw new DomctlError('HOST_LACKS', `${capabilities.emulator} has no async teardown`, {
        hint: 'QEMU 7.2 or newer on Linux has it; or switch it off in the domain or its policy',
        details: { version: capabilities.version },
      });
  }
}
