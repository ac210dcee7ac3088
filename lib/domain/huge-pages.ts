/** Which of a domain's memory is made of which pages. Pure. */
import type { Domain, MemoryBacking } from './definition.ts';

/** Huge pages of one size; `pageBytes` null: the host's default size. */
export type HugePages = NonNullable<MemoryBacking['hugepages']>;

/** Pages of a node of the guest, 0 being that of a guest without nodes; null: ordinary ones. */
export function pagesOf({ hugepages, nodePages }: MemoryBacking, cell: number): HugePages | null {
  return nodePages.find(({ cells }) => cells.includes(cell)) ?? hugepages;
}

/** Bytes of guest memory by the size of their pages, and those in ordinary pages. */
interface MemoryByPages {
  readonly huge: ReadonlyMap<number | null, number>;
  readonly ordinaryBytes: number;
}

/** What a domain's memory is made of, modules included. */
export function memoryByPages(domain: Domain): MemoryByPages {
  const huge = new Map<number | null, number>();
  let ordinaryBytes = 0;
  for (const { pages, bytes } of partsOf(domain)) {
    if (pages === null) ordinaryBytes += bytes;
    else huge.set(pages.pageBytes, (huge.get(pages.pageBytes) ?? 0) + bytes);
  }
  return { huge, ordinaryBytes };
}

function partsOf({
  cpu,
  memoryBytes: total,
  memoryBacking,
  memoryModules,
}: Domain): { pages: HugePages | null; bytes: number }[] {
  const cells = cpu === null || cpu.numa.length === 0 ? [{ id: 0, memoryBytes: total }] : cpu.numa;
  return [
    ...cells.map(({ id, memoryBytes }) => ({ pages: pagesOf(memoryBacking, id), bytes: memoryBytes })),
    ...memoryModules.map(({ node, pageBytes, sizeBytes }) => {
      return { pages: pageBytes === null ? pagesOf(memoryBacking, node) : { pageBytes }, bytes: sizeBytes };
    }),
  ];
}
