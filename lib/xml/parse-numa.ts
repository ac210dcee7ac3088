/** XML -> nodes of the guest, and of the host below them. */
import type { NumaCell, Numatune } from '../domain/numa.ts';
import { find, findAll, need, valueAt, type Known } from './known.ts';
import { listCpus } from './numbers.ts';
import { memoryBytes } from './units.ts';

/** Most nodes of a guest; QEMU has no more. */
export const maxCells = 128;

/** The guest's nodes by their numbers, which are their places unless they are given. */
export function readCells(domain: Known): NumaCell[] {
  const vcpus = valueAt(domain, '/domain/vcpu') ?? 1;
  const cells = cellElements(domain).slice(0, maxCells).map(readCell);
  return withEveryCpu(
    cells.toSorted((a, b) => a.id - b.id),
    vcpus,
  );
}

/** `<cell>`s in the order of the document. */
export function cellElements(domain: Known): readonly Known[] {
  return findAll(domain, '/domain/cpu/numa', '/domain/cpu/numa/cell');
}

/** Bytes of one `<cell>`; null when no safe integer holds them. */
export function cellSize(cell: Known): number | null {
  const unit = valueAt(cell, '/domain/cpu/numa/cell/@unit') ?? 1024n;
  return memoryBytes(need(cell, '/domain/cpu/numa/cell/@memory'), unit);
}

function readCell(cell: Known, index: number): NumaCell {
  const cpus = valueAt(cell, '/domain/cpu/numa/cell/@cpus');
  const siblings = findAll(cell, '/domain/cpu/numa/cell/distances', '/domain/cpu/numa/cell/distances/sibling');
  return {
    id: valueAt(cell, '/domain/cpu/numa/cell/@id') ?? index,
    cpus: cpus === undefined ? [] : listCpus(cpus),
    memoryBytes: cellSize(cell) ?? 0,
    access: valueAt(cell, '/domain/cpu/numa/cell/@memAccess') ?? null,
    discard: valueAt(cell, '/domain/cpu/numa/cell/@discard') ?? null,
    distances: siblings.slice(0, maxCells + 1).map((sibling) => ({
      cell: need(sibling, '/domain/cpu/numa/cell/distances/sibling/@id'),
      value: need(sibling, '/domain/cpu/numa/cell/distances/sibling/@value'),
    })),
  };
}

/** vCPUs that no node claims are the first node's, as with libvirt: QEMU wants each of them in one. */
function withEveryCpu(cells: readonly NumaCell[], vcpus: number): NumaCell[] {
  const [first, ...others] = cells;
  if (first === undefined) return [];
  const claimed = new Set(cells.flatMap(({ cpus }) => cpus));
  const free = Array.from({ length: vcpus }, (_none, cpu) => cpu).filter((cpu) => !claimed.has(cpu));
  return [{ ...first, cpus: [...first.cpus, ...free].toSorted((a, b) => a - b) }, ...others];
}

/** `<numatune>`. */
export function readNumatune(domain: Known): Numatune {
  const memory = find(domain, '/domain/numatune/memory');
  return {
    memory:
      memory === undefined
        ? null
        : {
            mode: valueAt(memory, '/domain/numatune/memory/@mode') ?? 'strict',
            nodes: listCpus(need(memory, '/domain/numatune/memory/@nodeset')),
          },
    cells: findAll(domain, '/domain/numatune', '/domain/numatune/memnode')
      .slice(0, maxCells + 1)
      .map((node) => ({
        cell: need(node, '/domain/numatune/memnode/@cellid'),
        mode: valueAt(node, '/domain/numatune/memnode/@mode') ?? 'strict',
        nodes: listCpus(need(node, '/domain/numatune/memnode/@nodeset')),
      })),
  };
}
