/** Amounts of memory: told by an element's text and its attribute together. */
import { valueAt, type Known } from './known.ts';
import { memoryBytes } from './units.ts';

type SizeKey =
  | '/domain/memory'
  | '/domain/currentMemory'
  | '/domain/maxMemory'
  | '/domain/memtune/hard_limit'
  | '/domain/memtune/soft_limit'
  | '/domain/memtune/swap_hard_limit';

/** Bytes of the element at `key`, whole KiB; undefined when it is absent, null when no safe integer holds them. */
export function sizeAt(domain: Known, key: SizeKey): number | null | undefined {
  const amount = valueAt(domain, key);
  return amount === undefined ? undefined : memoryBytes(amount, valueAt(domain, `${key}/@unit`) ?? 1024n);
}

/** Likewise of one size of huge pages. */
export function pageSize(page: Known): number | null | undefined {
  const amount = valueAt(page, '/domain/memoryBacking/hugepages/page/@size');
  const unit = valueAt(page, '/domain/memoryBacking/hugepages/page/@unit');
  return amount === undefined ? undefined : memoryBytes(amount, unit ?? 1024n);
}
