/** Whether programs beside the hypervisor can have the guest's memory, by its definition. */
import type { Ruled } from './rule.ts';

/** All of it is shared, whatever holds it. */
export function sharesMemory({ memoryBacking: { access }, cpu }: Ruled): boolean {
  const accesses = cpu === null || cpu.numa.length === 0 ? [access] : cpu.numa.map((cell) => cell.access ?? access);
  return accesses.every((each) => each === 'shared');
}

/** It has a descriptor that can be given away. */
export function isInMemfd({ memoryBacking: { source, hugepages, nodePages } }: Ruled): boolean {
  return source !== 'anonymous' || hugepages !== null || nodePages.length > 0;
}
