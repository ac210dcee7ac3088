/** Whether this host has the kinds of memory that a domain names: huge pages of its sizes, its NUMA nodes. */
import type { Domain } from '../domain/definition.ts';
import { memoryByPages } from '../domain/huge-pages.ts';
import { DomctlError } from '../errors.ts';
import { formatBytes } from '../format.ts';
import { readHugePool } from '../host/inventory.ts';

/** Refuses NUMA nodes that this host does not have. Throws HOST_LACKS. */
export function requireNodes(
  { numatune: { memory, cells }, memoryModules }: Pick<Domain, 'numatune' | 'memoryModules'>,
  online: readonly number[],
): void {
  const places = [
    ...memoryModules.map(({ nodes }) => ({ element: '<memory><source><nodemask>', nodes: nodes ?? [] })),
    ...(memory === null ? [] : [{ element: '<numatune><memory>', nodes: memory.nodes }]),
    ...cells.map(({ cell, nodes }) => ({ element: `<memnode cellid='${cell}'>`, nodes })),
  ];
  for (const { element, nodes } of places) {
    const absent = nodes.filter((node) => !online.includes(node));
    if (absent.length === 0) continue;
    throw new DomctlError(
      'HOST_LACKS',
      `${element} names NUMA node ${absent.join(', ')}, which this host does not have`,
      {
        hint: `it has: ${online.join(', ')}`,
        details: { element, nodes: absent },
      },
    );
  }
}

/** Whether the pools have the pages that the memory needs. Throws HOST_LACKS for a size the host does not have. */
export function findShortage(domain: Domain): DomctlError | null {
  const { huge } = memoryByPages(domain);
  const shortages = Array.from(huge, ([pageBytes, bytes]) => shortageOf(domain.name, pageBytes, bytes));
  return shortages.find((each) => each !== null) ?? null;
}

function shortageOf(name: string, wanted: number | null, bytes: number): DomctlError | null {
  const pool = readHugePool(wanted);
  if (!pool) {
    const size = wanted === null ? '' : ` of ${wanted / 1024} KiB`;
    throw new DomctlError('HOST_LACKS', `this host has no huge pages${size}, which <hugepages> asks for`, {
      hint: 'ls /sys/kernel/mm/hugepages shows the sizes there are',
    });
  }
  const { pageBytes, freePages } = pool;
  const neededPages = Math.ceil(bytes / pageBytes);
  if (freePages >= neededPages) return null;
  const kib = pageBytes / 1024;
  return new DomctlError(
    'MEMORY_SHORT',
    `cannot start domain '${name}': the pool of ${kib} KiB pages has ${freePages} free (${formatBytes(freePages * pageBytes)}), ${neededPages} are needed`,
    {
      hint: `enlarge it by ${neededPages - freePages}: /sys/kernel/mm/hugepages/hugepages-${kib}kB/nr_hugepages`,
      details: { domain: name, pageBytes, freePages, neededPages },
    },
  );
}
