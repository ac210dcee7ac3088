/** Which of a domain's memory is made of which pages. Pure. */
import type { Domain, MemoryBacking } from './definition.ts';

/** Huge pages of one size; `pageBytes` null: the host's default size. */
export type HugePages = NonNullable<MemoryBacking['hugepages']>;

/** Pages of a node of the guest, 0 being that of a guest without nodes; null: ordinary ones. */
export function pagesOf({ hugepages, nodePages }: MemoryBacking, cell: number): HugePages | null {
  return nodePages.find(({ cells }) => cells.includes(cell)) ?? hugepages;
}

/** Bytes of guest memory by the size of their pages, and those in ordinary pages. */
export function memoryByPages(domain: Domain): {
  readonly huge: ReadonlyMap<number | null, number>;
  readonly ordinaryBytes: number;
} {
  const cells = domain.cpu?.numa ?? [];
  const parts = cells.length === 0 ? [{ id: 0, memoryBytes: domain.memoryBytes }] : cells;
  const huge = new Map<number | null, number>();
  let ordinaryBytes = 0;
  for (const { id, memoryBytes } of parts) {
    const pages = pagesOf(domain.memoryBacking, id);
    if (pages === null) ordinaryBytes += memoryBytes;
    else huge.set(pages.pageBytes, (huge.get(pages.pageBytes) ?? 0) + memoryBytes);
  }
  return { huge, ordinaryBytes };
}
