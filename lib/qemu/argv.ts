/**
 * A domain as QEMU's arguments, in libvirt's order and forms. Pure: looks at no file and no process.
 *
 * Two quoting rules keep values from becoming options: whatever QEMU accepts as JSON is given as JSON, and in the
 * two options that exist only as `key=value` text (-name, -chardev) commas are doubled.
 */
import type { Domain, MemoryBacking } from '../domain/definition.ts';
import { DomctlError } from '../errors.ts';
import { deviceArguments, text } from './argv-devices.ts';
import { type Capabilities, requireMachine } from './capabilities.ts';

const kib = 1024;
const mib = 1024 * kib;

/** What a launch adds to the definition. */
export interface LaunchSettings {
  /** Of the emulator the arguments are for. */
  readonly capabilities: Capabilities;
  /** Where QEMU shall listen for the control connection; a fresh path for each start. */
  readonly qmpSocket: string;
  /** Whether memory is torn down by a helper after exit; refused when the emulator cannot. */
  readonly asyncTeardown: boolean;
}

/**
 * The arguments after argv[0]. The hypervisor starts paused (-S), in the foreground, and ends itself at power-off.
 * Throws HOST_LACKS when this emulator lacks the machine type, the accelerator or async teardown.
 */
export function buildArgv(domain: Domain, launch: LaunchSettings): string[] {
  return [
    ...identity(domain),
    ...machine(domain, launch.capabilities),
    ...memory(domain),
    ...processors(domain),
    ...control(launch.qmpSocket),
    ...startup(domain),
    ...deviceArguments(domain),
    ...confinement(launch),
  ];
}

function identity(domain: Domain): string[] {
  return ['-name', `guest=${text(domain.name)},debug-threads=on`, '-S'];
}

function machine(domain: Domain, capabilities: Capabilities): string[] {
  requireMachine(capabilities, domain.os.machine);
  const acpi = domain.features.acpi ? 'on' : 'off';
  const properties = `usb=off,dump-guest-core=off,memory-backend=pc.ram,acpi=${acpi}`;
  return ['-machine', `${domain.os.machine},${properties}`, ...accelerator(domain, capabilities)];
}

/** The model is pinned: `host` and `max` abort under some nested KVM, and a default may change with the version. */
function accelerator(domain: Domain, capabilities: Capabilities): string[] {
  if (domain.type === 'kvm' && !capabilities.kvm) {
    throw new DomctlError('HOST_LACKS', `${capabilities.emulator} was built without KVM`, {
      hint: "use <domain type='qemu'>, or another emulator",
    });
  }
  return ['-accel', domain.type === 'kvm' ? 'kvm' : 'tcg', '-cpu', 'qemu64'];
}

/**
 * Rounded up to a whole MiB as libvirt does: QEMU rounds -m up to 8 KiB on its own and then refuses a backend of
 * another size.
 */
function memory(domain: Domain): string[] {
  const size = Math.ceil(domain.memoryBytes / mib) * mib;
  const object = { ...backend(domain.memoryBacking), size };
  return ['-m', `size=${size / kib}k`, '-object', JSON.stringify(object), '-overcommit', 'mem-lock=off'];
}

/** `share` is always said: memfd shares by default and ram does not. */
function backend(backing: MemoryBacking): Record<string, unknown> {
  const kind = backing.source === 'memfd' ? 'memory-backend-memfd' : 'memory-backend-ram';
  const threads = backing.allocationThreads === null ? {} : { 'prealloc-threads': backing.allocationThreads };
  const immediate = backing.allocation === 'immediate' ? { prealloc: true, ...threads } : {};
  return { 'qom-type': kind, id: 'pc.ram', share: backing.access === 'shared', ...immediate };
}

function processors(domain: Domain): string[] {
  return ['-smp', `${domain.vcpus},sockets=${domain.vcpus},cores=1,threads=1`, '-uuid', domain.uuid];
}

function control(qmpSocket: string): string[] {
  const socket = `socket,id=charmonitor,path=${text(qmpSocket)},server=on,wait=off`;
  return [
    ...['-display', 'none', '-no-user-config', '-nodefaults'],
    ...['-chardev', socket, '-mon', 'chardev=charmonitor,id=monitor,mode=control'],
    ...['-rtc', 'base=utc'],
  ];
}

function startup({ os }: Domain): string[] {
  return [
    ...['-boot', 'strict=on'],
    ...(os.kernel === null ? [] : ['-kernel', os.kernel]),
    ...(os.initrd === null ? [] : ['-initrd', os.initrd]),
    ...(os.cmdline === null ? [] : ['-append', os.cmdline]),
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
