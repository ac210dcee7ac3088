/** `<memory>` and `<currentMemory>`: the one value that is told by an element's text and its attribute together. */
import { valueAt, type Known } from './check.ts';
import { memoryBytes } from './units.ts';

/** Bytes of the element at `key`, whole KiB; undefined when it is absent, null when no safe integer holds them. */
export function sizeAt(domain: Known, key: '/domain/memory' | '/domain/currentMemory'): number | null | undefined {
  const amount = valueAt(domain, key);
  return amount === undefined ? undefined : memoryBytes(amount, valueAt(domain, `${key}/@unit`) ?? 1024n);
}
