/** Modules of memory as QEMU's arguments. Pure. */
import type { Domain } from '../domain/definition.ts';
import { pagesOf } from '../domain/huge-pages.ts';
import type { Dimm, MemoryModule, VirtioMem } from '../domain/numa.ts';
import { memoryBackend } from './argv-memory.ts';
import { type Part, device, given, json, pciDevice } from './arguments.ts';

/** A back end and a device for each. */
export function moduleArguments(domain: Domain): Part[] {
  const blocks = domain.memoryModules.filter(({ model }) => model === 'virtio-mem');
  return domain.memoryModules.flatMap((one) =>
    one.model === 'dimm' ? dimm(domain, one) : virtioMem(domain, one, blocks.indexOf(one)),
  );
}

function dimm(domain: Domain, one: Dimm): Part[] {
  const { slot, node, base } = one;
  const memdev = `memdimm${slot}`;
  const place = { node, memdev, id: `dimm${slot}`, slot, ...given('addr', base) };
  return [...json('-object', backend(domain, one, memdev)), ...device({ driver: 'pc-dimm', ...place })];
}

/** Its memory is taken as the guest is given it; in huge pages, and where all is to be there, the device does that at once. */
function virtioMem(domain: Domain, one: VirtioMem, index: number): Part[] {
  const memdev = `memvirtiomem${index}`;
  const { prealloc: _whole, 'prealloc-threads': _threads, ...held } = backend(domain, one, memdev);
  const isTaken = one.pageBytes !== null || pagesOf(domain.memoryBacking, one.node) !== null;
  const isImmediate = domain.memoryBacking.allocation === 'immediate';
  const properties = {
    ...{ driver: 'virtio-mem-pci', node: one.node, 'block-size': one.blockBytes, 'requested-size': one.requestedBytes },
    ...{ memdev, ...(isTaken || isImmediate ? { prealloc: true } : {}), ...given('memaddr', one.base) },
    ...{ ...given('dynamic-memslots', one.dynamicSlots), id: `virtiomem${index}` },
  };
  return [...json('-object', { ...held, reserve: false }), pciDevice('memory', one.address, properties)];
}

function backend(domain: Domain, one: MemoryModule, id: string): Readonly<Record<string, unknown>> {
  const { sizeBytes, node, access, discard, pageBytes, nodes } = one;
  return { ...memoryBackend(domain, { id, bytes: sizeBytes, cell: { id: node, access, discard }, pageBytes, nodes }) };
}
