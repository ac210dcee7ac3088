/** Nodes of the guest, and of the host below them -> XML. */
import type { NumaCell, Numatune } from '../domain/numa.ts';
import { tellCpuSet } from './numbers.ts';
import { tag, unlessEmpty, yesNo, type Tag } from './serialize.ts';

/** `<numa>` of `<cpu>`; null: the guest has no nodes. */
export function numa(cells: readonly NumaCell[]): Tag | null {
  return unlessEmpty(tag('numa', {}, cells.map(cell)));
}

function cell({ id, cpus, memoryBytes, access, discard, distances }: NumaCell): Tag {
  const memory = { memory: Math.ceil(memoryBytes / 1024), unit: 'KiB' };
  const backing = { memAccess: access, discard: yesNo(discard) };
  return tag('cell', { id, cpus: cpus.length === 0 ? null : tellCpuSet(cpus), ...memory, ...backing }, [
    unlessEmpty(
      tag(
        'distances',
        {},
        distances.map(({ cell, value }) => tag('sibling', { id: cell, value })),
      ),
    ),
  ]);
}

/** `<numatune>`, perhaps empty. */
export function numatune({ memory, cells }: Numatune): Tag {
  return tag('numatune', {}, [
    memory === null ? null : tag('memory', { mode: memory.mode, nodeset: tellCpuSet(memory.nodes) }),
    ...cells.map(({ cell, mode, nodes }) => tag('memnode', { cellid: cell, mode, nodeset: tellCpuSet(nodes) })),
  ]);
}
