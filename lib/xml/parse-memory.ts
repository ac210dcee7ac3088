/** XML -> how much memory there is and can be, and in which modules. */
import type { Cpu, Domain } from '../domain/definition.ts';
import type { Dimm, MemoryModule, NumaCell, VirtioMem } from '../domain/numa.ts';
import { readPlace } from './addresses.ts';
import { devicesAt, need, valueAt, type Known } from './known.ts';
import { sizeAt } from './memory.ts';
import { listCpus } from './numbers.ts';
import { memoryBytes as bytesOf } from './units.ts';

type Memory = Pick<Domain, 'memoryBytes' | 'currentMemoryBytes' | 'maxMemory' | 'memoryModules' | 'cpu'>;

/**
 * Of a guest with nodes `<memory>` is what they and the modules have, whatever it says; one that has room for modules has
 * nodes, one if none is told: both as with libvirt.
 */
export function readMemory(domain: Known, { cpu, vcpus }: Pick<Domain, 'cpu' | 'vcpus'>): Memory {
  const modules = readModules(domain);
  const plugged = modules.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const told = sizeAt(domain, '/domain/memory') ?? 0;
  const maxMemory = readMaximum(domain);
  const shaped = maxMemory === null ? cpu : withCell(cpu, { vcpus, memoryBytes: Math.max(0, told - plugged) });
  const cells = shaped?.numa ?? [];
  const memoryBytes = cells.length === 0 ? told : cells.reduce((sum, cell) => sum + cell.memoryBytes, plugged);
  return {
    memoryBytes,
    currentMemoryBytes: Math.min(sizeAt(domain, '/domain/currentMemory') ?? memoryBytes, memoryBytes),
    maxMemory,
    memoryModules: modules,
    cpu: shaped,
  };
}

function readMaximum(domain: Known): Domain['maxMemory'] {
  const bytes = sizeAt(domain, '/domain/maxMemory');
  if (bytes === undefined) return null;
  return { bytes: bytes ?? 0, slots: valueAt(domain, '/domain/maxMemory/@slots') ?? 0 };
}

const plainCpu: Cpu = {
  mode: 'custom',
  match: null,
  check: null,
  migratable: null,
  vendor: null,
  vendorId: null,
  physicalBits: null,
  cache: null,
  model: null,
  topology: null,
  features: [],
  numa: [],
};

function withCell(cpu: Cpu | null, { vcpus, memoryBytes }: { vcpus: number; memoryBytes: number }): Cpu {
  if (cpu !== null && cpu.numa.length > 0) return cpu;
  const cpus = Array.from({ length: vcpus }, (_none, index) => index);
  const cell: NumaCell = { id: 0, cpus, memoryBytes, access: null, discard: null, distances: [] };
  return { ...(cpu ?? plainCpu), numa: [cell] };
}

/** Most that are read; there are no more slots. */
export const maxModules = 256;

const key = '/domain/devices/memory';

function readModules(domain: Known): MemoryModule[] {
  const elements = devicesAt(domain, key).slice(0, maxModules + 1);
  if (elements.length === 0) return [];
  const told = elements.map((element) => valueAt(element, `${key}/address/@slot`) ?? null);
  const free = Array.from({ length: maxModules + 1 }, (_none, slot) => slot).filter((slot) => !told.includes(slot));
  return elements.map((element, index) => {
    const model = need(element, `${key}/@model`);
    if (model === 'virtio-mem') return { model, ...readBlocks(element), ...readModule(element) };
    const base = valueAt(element, `${key}/address/@base`) ?? null;
    return { model, ...readModule(element), slot: told[index] ?? free.shift() ?? 0, base };
  });
}

/** As libvirt has them where a transparent huge page is of that size. */
const usualBlockBytes = 2 ** 21;

type Blocks = Pick<VirtioMem, 'blockBytes' | 'requestedBytes' | 'dynamicSlots' | 'address'>;

function readBlocks(element: Known): Blocks {
  return {
    blockBytes: sizeIn(element, 'block') ?? usualBlockBytes,
    requestedBytes: sizeIn(element, 'requested') ?? 0,
    dynamicSlots: valueAt(element, `${key}/target/@dynamicMemslots`) ?? null,
    address: readPlace(element),
  };
}

function sizeIn(element: Known, name: 'block' | 'requested'): number | null {
  const size = valueAt(element, `${key}/target/${name}`);
  return size === undefined ? null : bytesOf(size, valueAt(element, `${key}/target/${name}/@unit`) ?? 1024n);
}

function readModule(element: Known): Omit<Dimm, 'model' | 'slot'> {
  const nodes = valueAt(element, `${key}/source/nodemask`);
  return {
    sizeBytes: moduleSize(element) ?? 0,
    node: valueAt(element, `${key}/target/node`) ?? 0,
    access: valueAt(element, `${key}/@access`) ?? null,
    discard: valueAt(element, `${key}/@discard`) ?? null,
    pageBytes: modulePages(element) ?? null,
    nodes: nodes === undefined ? null : listCpus(nodes),
    base: valueAt(element, `${key}/target/address/@base`) ?? null,
  };
}

/** Bytes of a module; null when no safe integer holds them. */
export function moduleSize(element: Known): number | null {
  return bytesOf(need(element, `${key}/target/size`), valueAt(element, `${key}/target/size/@unit`) ?? 1024n);
}

/** Likewise of its pages; undefined when they are not told. */
export function modulePages(element: Known): number | null | undefined {
  const amount = valueAt(element, `${key}/source/pagesize`);
  if (amount === undefined) return undefined;
  return bytesOf(amount, valueAt(element, `${key}/source/pagesize/@unit`) ?? 1024n);
}
