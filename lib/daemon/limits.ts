/**
 * Limits of an incarnation as a whole, from its definition: asked of the host before anything is made, written before the
 * hypervisor is born. v1 limits are never written: on a hybrid host what needs a v2 controller is refused by its element.
 */
import { stat } from 'node:fs/promises';
import type { CgroupRoot } from '../../cgroups/hierarchy.ts';
import { type Controller, type DeviceLimits, type Limit, type Limits, limitTexts } from '../../cgroups/limits.ts';
import type { BlkioDevice, Cputune, Domain, Memtune } from '../domain/definition.ts';
import { memoryByPages } from '../domain/huge-pages.ts';
import { cgroupName } from '../domain/names.ts';
import { DomctlError, KernelError } from '../errors.ts';
import { readHugePool } from '../host/inventory.ts';
import type { Supervisor } from './supervisor.ts';

/** What asks for a limit, as an error names it. */
const elements = {
  memoryMax: '<memtune><hard_limit>',
  memoryHigh: '<memtune><soft_limit>',
  swapMax: '<memtune><swap_hard_limit>',
  cpuWeight: '<cputune><shares>',
  cpuMax: '<cputune><global_quota>',
  cpus: '<cputune>',
  ioWeight: '<blkiotune><weight>',
  ioDevices: '<blkiotune><device>',
  hugePages: '<hugepages>',
} as const satisfies Record<keyof Limits, string>;

const threadElements = {
  vcpu: '<cputune><quota>',
  emulator: '<cputune><emulator_quota>',
  iothread: '<cputune><iothread_quota>',
} as const;

/** Refuses by its element what this host's cgroups cannot do. Throws HOST_LACKS; changes nothing. */
export async function requireLimits(domain: Domain, root: CgroupRoot): Promise<void> {
  const offered = root.controllers();
  const limits = limitTexts(await limitsOf(domain));
  for (const { name, controller } of limits)
    if (!offered.includes(controller)) throw lacks(elements[name], controller, root.hierarchy.kind);
  for (const element of throttledThreads(domain.cputune))
    if (!offered.includes('cpu')) throw lacks(element, 'cpu', root.hierarchy.kind);
}

/** Holds the incarnation's empty cgroup to its limits. Throws HOST_LACKS for one that the kernel will not take. */
export async function applyLimits(supervisor: Supervisor, domain: Domain): Promise<void> {
  const limits = await limitsOf(domain);
  const wanted = limitTexts(limits);
  await handDown(supervisor, [
    ...wanted.map(({ name, controller }) => ({ element: elements[name], controller })),
    ...throttledThreads(domain.cputune).map((element) => ({ element, controller: 'cpu' as const })),
  ]);
  // Pins do without it: sched_setaffinity pins, too.
  if (hasPins(domain.cputune)) await supervisor.services.root.handDown(['cpuset'], cgroupName(domain.name));
  try {
    const [lacking] = await supervisor.cgroup.limit(limits);
    if (lacking) throw withoutFile(lacking);
  } catch (error) {
    if (error instanceof KernelError) throw refusedByKernel(error, wanted);
    throw error;
  }
  const hugePages = hugePageFence(domain, (bytes) => readHugePool(bytes)?.pageBytes ?? null);
  // Nobody asked for it: where the controller is not there, the gate of the admission is all there is.
  if (hugePages.size > 0) await supervisor.cgroup.limit({ hugePages });
}

/** What it was admitted with, in bytes of whole pages by the bytes of one; `sizeOf` says how large pages of an asked size are here. */
export function hugePageFence(
  domain: Domain,
  sizeOf: (pageBytes: number | null) => number | null,
): ReadonlyMap<number, number> {
  const fence = new Map<number, number>();
  // Each part is rounded up by itself.
  const parts = Math.max(1, domain.cpu?.numa.length ?? 0) + domain.memoryModules.length;
  for (const [wanted, bytes] of memoryByPages(domain).huge) {
    const pageBytes = sizeOf(wanted);
    if (pageBytes === null) continue;
    const pages = Math.ceil(bytes / pageBytes) + parts - 1;
    fence.set(pageBytes, (fence.get(pageBytes) ?? 0) + pages * pageBytes);
  }
  return fence;
}

/** The controllers reach the domain's cgroup, and with it the incarnation, before its limits can be written. */
async function handDown(
  { services, launch }: Supervisor,
  demands: readonly { readonly element: string; readonly controller: Controller }[],
): Promise<void> {
  const controllers = [...new Set(demands.map(({ controller }) => controller))];
  const [withheld] = await services.root.handDown(controllers, cgroupName(launch.domain));
  const demand = withheld && demands.find(({ controller }) => controller === withheld.controller);
  if (demand) throw lacks(demand.element, demand.controller, services.root.hierarchy.kind, withheld.cause);
}

async function limitsOf(domain: Domain): Promise<Limits> {
  const { cputune, blkiotune, memtune } = domain;
  return {
    ...memoryLimits(memtune),
    cpuWeight: cputune.shares,
    cpuMax: cputune.globalBandwidth,
    ioWeight: blkiotune.weight,
    ioDevices: await Promise.all(blkiotune.devices.map(deviceLimits)),
  };
}

/** swap_hard_limit counts memory and swap together; what is left of it above the hard limit is swap's. */
export function memoryLimits({ hardLimitBytes, softLimitBytes, swapHardLimitBytes }: Memtune): Limits {
  return {
    memoryMax: hardLimitBytes,
    memoryHigh: softLimitBytes,
    swapMax: swapHardLimitBytes === null ? null : Math.max(0, swapHardLimitBytes - (hardLimitBytes ?? 0)),
  };
}

async function deviceLimits({ path, ...limits }: BlkioDevice): Promise<DeviceLimits> {
  const stats = await stat(path).catch((error: unknown) => {
    throw noDevice(path, 'is not there', error);
  });
  if (!stats.isBlockDevice()) throw noDevice(path, 'is not a block device');
  return { ...limits, device: deviceNumber(stats.rdev) };
}

/** `MAJOR:MINOR` of a st_rdev as Linux composes it (sys/sysmacros.h). */
export function deviceNumber(rdev: number): string {
  const device = BigInt(rdev);
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return `${major}:${minor}`;
}

function hasPins({ cpuset, vcpuPins, emulatorPin, iothreadPins }: Cputune): boolean {
  return cpuset !== null || vcpuPins.length > 0 || emulatorPin !== null || iothreadPins.length > 0;
}

function throttledThreads({ vcpuBandwidth, emulatorBandwidth, iothreadBandwidth }: Cputune): string[] {
  return [
    ...(vcpuBandwidth?.quotaUs ? [threadElements.vcpu] : []),
    ...(emulatorBandwidth?.quotaUs ? [threadElements.emulator] : []),
    ...(iothreadBandwidth?.quotaUs ? [threadElements.iothread] : []),
  ];
}

function lacks(element: string, controller: Controller, kind: 'unified' | 'hybrid', cause?: unknown): DomctlError {
  return new DomctlError(
    'HOST_LACKS',
    `${element} needs the cgroup v2 controller '${controller}', which this host lacks`,
    {
      hint:
        kind === 'hybrid'
          ? `cgroup v1 has it: boot with systemd.unified_cgroup_hierarchy=1, or remove ${element}`
          : `boot without cgroup_disable=${controller}, have it delegated to the daemon's cgroup, or remove ${element}`,
      details: { element, controller },
      cause,
    },
  );
}

function withoutFile({ name, writes }: Limit): DomctlError {
  const files = writes.map(({ file }) => file).join(' or ');
  return new DomctlError('HOST_LACKS', `${elements[name]} needs ${files}, which this kernel lacks`, {
    hint: `boot a kernel that was built with it, or remove ${elements[name]}`,
    details: { element: elements[name] },
  });
}

/** A value out of range (ERANGE, EINVAL), or a device that cannot be limited (ENODEV: a partition is not a disk). */
function refusedByKernel(error: KernelError, limits: readonly Limit[]): DomctlError {
  const name = limits.find(({ writes }) => writes.some(({ file }) => error.path?.endsWith(`/${file}`)))?.name;
  const element = name ? elements[name] : 'a limit';
  return new DomctlError('HOST_LACKS', `the kernel refuses ${element}: ${error.message}`, {
    hint: name === 'ioDevices' ? 'name a whole disk, not a partition' : 'choose another value',
    details: { element },
    cause: error,
  });
}

function noDevice(path: string, why: string, cause?: unknown): DomctlError {
  return new DomctlError('HOST_LACKS', `${path} (<blkiotune><device>) ${why}`, { details: { path }, cause });
}
