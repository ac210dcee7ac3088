/** XML -> the machine itself: firmware and boot, features, CPU model, clock, what follows its end. */
import type {
  Cpu,
  Domain,
  Features,
  GuestClock,
  Loader,
  OperatingSystem,
  PhysicalBits,
  PowerManagement,
  Timer,
  Topology,
} from '../domain/definition.ts';
import { find, findAll, has, need, valueAt, type Known } from './known.ts';
import { readAcpiTables } from './parse-identity.ts';
import { readChipFeatures, readSwitch } from './parse-features.ts';
import { readCells } from './parse-numa.ts';

type Machine = Pick<Domain, 'os' | 'features' | 'cpu' | 'clock' | 'powerManagement' | 'lifecycle' | 'emulator'>;

/** Everything `properties-machine.ts` has, but the names of the domain; and the hypervisor's path. */
export function readMachine(domain: Known): Machine {
  return {
    os: readOperatingSystem(domain),
    features: readFeatures(domain),
    cpu: has(domain, '/domain/cpu') ? readCpu(domain) : null,
    clock: readClock(domain),
    powerManagement: readPowerManagement(domain),
    lifecycle: {
      onPoweroff: valueAt(domain, '/domain/on_poweroff') ?? 'destroy',
      onReboot: valueAt(domain, '/domain/on_reboot') ?? 'restart',
      onCrash: valueAt(domain, '/domain/on_crash') ?? 'destroy',
    },
    emulator: valueAt(domain, '/domain/devices/emulator') ?? null,
  };
}

function readOperatingSystem(domain: Known): OperatingSystem {
  const enabled = valueAt(domain, '/domain/os/bootmenu/@enable');
  const timeoutMs = valueAt(domain, '/domain/os/bootmenu/@timeout') ?? null;
  return {
    arch: valueAt(domain, '/domain/os/type/@arch') ?? 'x86_64',
    machine: valueAt(domain, '/domain/os/type/@machine') ?? 'pc',
    boot: findAll(domain, '/domain/os', '/domain/os/boot').map((boot) => need(boot, '/domain/os/boot/@dev')),
    bootMenu: enabled === undefined ? null : { enabled, timeoutMs },
    firmware: valueAt(domain, '/domain/os/@firmware') ?? null,
    loader: readLoader(domain),
    nvram: readNvram(domain),
    rebootTimeoutMs: valueAt(domain, '/domain/os/bios/@rebootTimeout') ?? null,
    acpiTables: readAcpiTables(domain),
    smbios: valueAt(domain, '/domain/os/smbios/@mode') ?? null,
    ...readKernel(domain),
  };
}

function readKernel(domain: Known): Pick<OperatingSystem, 'kernel' | 'initrd' | 'cmdline'> {
  return {
    kernel: valueAt(domain, '/domain/os/kernel') ?? null,
    initrd: valueAt(domain, '/domain/os/initrd') ?? null,
    cmdline: valueAt(domain, '/domain/os/cmdline') ?? null,
  };
}

function readLoader(domain: Known): Loader | null {
  // Without a path it is firmware='efi' that chooses.
  const path = valueAt(domain, '/domain/os/loader') ?? null;
  if (path === null) return null;
  return {
    path,
    type: valueAt(domain, '/domain/os/loader/@type') ?? 'rom',
    // No guest writes to the host's firmware unless it is said.
    readonly: valueAt(domain, '/domain/os/loader/@readonly') ?? true,
    secure: valueAt(domain, '/domain/os/loader/@secure') ?? false,
    stateless: valueAt(domain, '/domain/os/loader/@stateless') ?? null,
  };
}

function readNvram(domain: Known): OperatingSystem['nvram'] {
  if (!has(domain, '/domain/os/nvram')) return null;
  return {
    path: valueAt(domain, '/domain/os/nvram') ?? null,
    template: valueAt(domain, '/domain/os/nvram/@template') ?? null,
  };
}

function readFeatures(domain: Known): Features {
  return {
    acpi: has(domain, '/domain/features/acpi'),
    apic: has(domain, '/domain/features/apic'),
    pae: has(domain, '/domain/features/pae'),
    vmport: readSwitch(domain, '/domain/features/vmport'),
    smm: readSwitch(domain, '/domain/features/smm'),
    chip: readChipFeatures(domain),
    asyncTeardown: valueAt(domain, '/domain/features/async-teardown/@enabled') ?? null,
  };
}

function readCpu(domain: Known): Cpu {
  const features = findAll(domain, '/domain/cpu', '/domain/cpu/feature');
  return {
    mode: valueAt(domain, '/domain/cpu/@mode') ?? 'custom',
    match: valueAt(domain, '/domain/cpu/@match') ?? null,
    check: valueAt(domain, '/domain/cpu/@check') ?? null,
    migratable: valueAt(domain, '/domain/cpu/@migratable') ?? null,
    physicalBits: readPhysicalBits(domain),
    cache: readCache(domain),
    ...readModel(domain),
    topology: readTopology(domain),
    features: features.map((feature) => ({
      name: need(feature, '/domain/cpu/feature/@name'),
      policy: valueAt(feature, '/domain/cpu/feature/@policy') ?? 'require',
    })),
    numa: readCells(domain),
  };
}

function readModel(domain: Known): Pick<Cpu, 'model' | 'vendor' | 'vendorId'> {
  const name = valueAt(domain, '/domain/cpu/model') ?? null;
  const fallback = valueAt(domain, '/domain/cpu/model/@fallback') ?? null;
  return {
    model: name === null ? null : { name, fallback },
    vendor: valueAt(domain, '/domain/cpu/vendor') ?? null,
    vendorId: valueAt(domain, '/domain/cpu/model/@vendor_id') ?? null,
  };
}

/** A rule refuses an emulation without bits. */
function readPhysicalBits(domain: Known): PhysicalBits | null {
  const mode = valueAt(domain, '/domain/cpu/maxphysaddr/@mode');
  if (mode === undefined) return null;
  if (mode === 'passthrough') return { mode, limit: valueAt(domain, '/domain/cpu/maxphysaddr/@limit') ?? null };
  return { mode, bits: valueAt(domain, '/domain/cpu/maxphysaddr/@bits') ?? 0 };
}

function readCache(domain: Known): Cpu['cache'] {
  const mode = valueAt(domain, '/domain/cpu/cache/@mode');
  return mode === undefined ? null : { mode, level: valueAt(domain, '/domain/cpu/cache/@level') ?? null };
}

function readTopology(domain: Known): Topology | null {
  const topology = find(domain, '/domain/cpu/topology');
  if (topology === undefined) return null;
  return {
    sockets: need(topology, '/domain/cpu/topology/@sockets'),
    dies: valueAt(topology, '/domain/cpu/topology/@dies') ?? 1,
    cores: need(topology, '/domain/cpu/topology/@cores'),
    threads: need(topology, '/domain/cpu/topology/@threads'),
  };
}

function readClock(domain: Known): GuestClock {
  const offset = valueAt(domain, '/domain/clock/@offset') ?? 'utc';
  const isVariable = offset === 'variable';
  return {
    offset,
    timezone: valueAt(domain, '/domain/clock/@timezone') ?? null,
    adjustmentSeconds: isVariable ? (valueAt(domain, '/domain/clock/@adjustment') ?? 0) : null,
    basis: isVariable ? (valueAt(domain, '/domain/clock/@basis') ?? 'utc') : null,
    startSeconds: valueAt(domain, '/domain/clock/@start') ?? null,
    timers: findAll(domain, '/domain/clock', '/domain/clock/timer').map(readTimer),
  };
}

function readTimer(timer: Known): Timer {
  return {
    name: need(timer, '/domain/clock/timer/@name'),
    present: valueAt(timer, '/domain/clock/timer/@present') ?? null,
    tickPolicy: valueAt(timer, '/domain/clock/timer/@tickpolicy') ?? null,
    track: valueAt(timer, '/domain/clock/timer/@track') ?? null,
    frequencyHz: valueAt(timer, '/domain/clock/timer/@frequency') ?? null,
  };
}

function readPowerManagement(domain: Known): PowerManagement {
  return {
    suspendToMemory: valueAt(domain, '/domain/pm/suspend-to-mem/@enabled') ?? null,
    suspendToDisk: valueAt(domain, '/domain/pm/suspend-to-disk/@enabled') ?? null,
  };
}
