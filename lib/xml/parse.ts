/**
 * Domain XML -> domain.
 * Owns: libvirt's defaults for what is absent. The accepted form of each value is the table's (`properties.ts`), what must hold
 * between two of them `rules.ts`.
 */
import type { Domain, Features, MemoryBacking, OperatingSystem, UnsupportedFragment } from '../domain/definition.ts';
import type { Disk, Interface } from '../domain/devices.ts';
import { checkDocument, find, findAll, valueAt, type Known } from './check.ts';
import { readConsoles, readSerials } from './consoles.ts';
import { maxDocumentBytes, readDocument } from './document.ts';
import { emitDomain } from './emit.ts';
import { elementXml } from './fragment.ts';
import { sizeAt } from './memory.ts';
import { readPolicy } from './policy.ts';
import { invalidXml, problemLimit, tellProblem, type Problem } from './problems.ts';
import type { PropertyPath, ValueAt } from './properties.ts';
import { brokenRules } from './rules.ts';

/** Where a definition comes from and what may be wrong with it. */
export interface ParseOptions {
  /** Names the document in errors and warnings; not opened. */
  readonly file: string;
  /** What domctl does not know becomes a warning and is kept in `unsupported`, without effect. */
  readonly allowUnsupported: boolean;
  /** Makes what every domain has and the XML may leave out. */
  readonly generate: { uuid(): string; mac(): string };
}

/** A domain, and one line for each thing `--allow-unsupported` let through. */
export interface ParsedDomain {
  readonly domain: Domain;
  readonly warnings: readonly string[];
}

/** Reads a `<domain>` document. Throws INVALID_XML with file, line, column and path; all problems are in its details. */
export function parseDomain(text: string, options: ParseOptions): ParsedDomain {
  const { known, problems, fragments } = checkDocument(readDocument(text, options.file));
  refuse(options.file, options.allowUnsupported ? problems.filter(isFatal) : problems);
  if (problems.length > problemLimit) refuse(options.file, problems);
  refuse(options.file, brokenRules(known));
  const domain = { ...readDomain(known, options), unsupported: fragments.toSorted(byParent) };
  refuse(options.file, tooLongToKeep(domain, known));
  return { domain, warnings: problems.map((problem) => `${tellProblem(options.file, problem)}; kept without effect`) };
}

function refuse(file: string, problems: readonly Problem[]): void {
  const [first, ...rest] = problems;
  if (first !== undefined) throw invalidXml(file, [first, ...rest]);
}

/** Escaping makes text longer; what is accepted must also be readable again when it was written. */
function tooLongToKeep(domain: Domain, { element }: Known): Problem[] {
  if (Buffer.byteLength(emitDomain(domain)) <= maxDocumentBytes) return [];
  const message = 'written again, with defaults and escapes, the document is longer than 1 MiB';
  return [{ kind: 'invalid', position: element.position, path: element.path, message, hint: 'shorten its texts' }];
}

/** The order a definition has again once it was printed; fragments of one parent keep theirs. */
function byParent(a: UnsupportedFragment, b: UnsupportedFragment): number {
  return a.parent === b.parent ? 0 : a.parent < b.parent ? -1 : 1;
}

function isFatal({ kind }: Problem): boolean {
  return kind === 'invalid';
}

/** A value the table requires, so the check has refused a document without it. */
function need<P extends PropertyPath>(known: Known, key: P): ValueAt<P> {
  const value = valueAt(known, key);
  if (value === undefined) throw new Error(`${key} is required and was not read`);
  return value;
}

function readDomain(domain: Known, { generate }: ParseOptions): Omit<Domain, 'unsupported'> {
  const memoryBytes = sizeAt(domain, '/domain/memory') ?? 0;
  const serials = readSerials(domain);
  return {
    type: need(domain, '/domain/@type'),
    name: need(domain, '/domain/name'),
    uuid: valueAt(domain, '/domain/uuid') ?? generate.uuid(),
    title: valueAt(domain, '/domain/title') ?? null,
    description: valueAt(domain, '/domain/description') ?? null,
    policy: readPolicy(metadataOf(domain)).name,
    metadataXml: metadataXml(domain),
    memoryBytes,
    currentMemoryBytes: sizeAt(domain, '/domain/currentMemory') ?? memoryBytes,
    vcpus: valueAt(domain, '/domain/vcpu') ?? 1,
    currentVcpus: valueAt(domain, '/domain/vcpu') ?? 1,
    memoryBacking: readMemoryBacking(domain),
    memtune: { hardLimitBytes: null, softLimitBytes: null, swapHardLimitBytes: null },
    cputune: {
      shares: null,
      vcpuBandwidth: null,
      emulatorBandwidth: null,
      globalBandwidth: null,
      cpuset: null,
      vcpuPins: [],
      emulatorPin: null,
    },
    blkiotune: { weight: null, devices: [] },
    os: readOperatingSystem(domain),
    features: readFeatures(domain),
    cpu: null,
    clock: {
      offset: 'utc',
      timezone: null,
      adjustmentSeconds: null,
      basis: null,
      startSeconds: null,
      timers: [],
    },
    powerManagement: { suspendToMemory: null, suspendToDisk: null },
    lifecycle: { onPoweroff: 'destroy', onReboot: 'restart', onCrash: 'destroy' },
    emulator: valueAt(domain, '/domain/devices/emulator') ?? null,
    controllers: [],
    filesystems: [],
    disks: findAll(domain, '/domain/devices', '/domain/devices/disk').map(readDisk),
    interfaces: findAll(domain, '/domain/devices', '/domain/devices/interface').map((one) =>
      readInterface(one, generate),
    ),
    serials,
    consoles: readConsoles(domain),
    channels: [],
    inputs: [],
    graphics: [],
    videos: [],
    rngs: [],
    tpm: null,
    watchdog: null,
    panic: null,
    memballoon: {
      model: valueAt(domain, '/domain/devices/memballoon/@model') ?? 'virtio',
      autodeflate: false,
      address: null,
    },
  };
}

function metadataOf(domain: Known): Known['element'] | null {
  return find(domain, '/domain/metadata')?.element ?? null;
}

function metadataXml(domain: Known): string | null {
  const metadata = metadataOf(domain);
  return metadata === null ? null : elementXml(metadata);
}

function readMemoryBacking(domain: Known): MemoryBacking {
  return {
    source: valueAt(domain, '/domain/memoryBacking/source/@type') ?? 'anonymous',
    access: valueAt(domain, '/domain/memoryBacking/access/@mode') ?? 'private',
    allocation: valueAt(domain, '/domain/memoryBacking/allocation/@mode') ?? 'ondemand',
    allocationThreads: valueAt(domain, '/domain/memoryBacking/allocation/@threads') ?? null,
    hugepages: null,
    locked: false,
    mergePages: true,
  };
}

function readOperatingSystem(domain: Known): OperatingSystem {
  return {
    arch: valueAt(domain, '/domain/os/type/@arch') ?? 'x86_64',
    machine: valueAt(domain, '/domain/os/type/@machine') ?? 'pc',
    boot: findAll(domain, '/domain/os', '/domain/os/boot').map((boot) => need(boot, '/domain/os/boot/@dev')),
    bootMenu: null,
    firmware: null,
    loader: null,
    nvram: null,
    kernel: valueAt(domain, '/domain/os/kernel') ?? null,
    initrd: valueAt(domain, '/domain/os/initrd') ?? null,
    cmdline: valueAt(domain, '/domain/os/cmdline') ?? null,
  };
}

function readFeatures(domain: Known): Features {
  return {
    acpi: has(domain, '/domain/features/acpi'),
    apic: has(domain, '/domain/features/apic'),
    pae: has(domain, '/domain/features/pae'),
    vmport: null,
    smm: null,
    asyncTeardown: valueAt(domain, '/domain/features/async-teardown/@enabled') ?? null,
  };
}

function has(known: Known, key: PropertyPath): boolean {
  return find(known, key) !== undefined;
}

function readDisk(disk: Known): Disk {
  return {
    device: 'disk',
    source: { type: 'file', path: need(disk, '/domain/devices/disk/source/@file') },
    serial: null,
    driver: {
      cache: null,
      io: null,
      discard: null,
      detectZeroes: null,
      errorPolicy: null,
      readErrorPolicy: null,
      queues: null,
    },
    bootOrder: null,
    address: null,
    format: valueAt(disk, '/domain/devices/disk/driver/@type') ?? 'raw',
    target: need(disk, '/domain/devices/disk/target/@dev'),
    bus: valueAt(disk, '/domain/devices/disk/target/@bus') ?? 'virtio',
    readonly: has(disk, '/domain/devices/disk/readonly'),
    shareable: has(disk, '/domain/devices/disk/shareable'),
  };
}

function readInterface(card: Known, generate: ParseOptions['generate']): Interface {
  return {
    type: need(card, '/domain/devices/interface/@type'),
    bridge: null,
    tap: null,
    tapManaged: true,
    portForwards: [],
    queues: null,
    backend: null,
    mtu: null,
    linkUp: true,
    bootOrder: null,
    address: null,
    mac: valueAt(card, '/domain/devices/interface/mac/@address') ?? generate.mac(),
    model: valueAt(card, '/domain/devices/interface/model/@type') ?? 'rtl8139',
  };
}
