/** Nodes of the guest as QEMU's arguments. Pure. What holds their memory is in `argv-memory.ts`. */
import type { Domain } from '../domain/definition.ts';
import { type NumaCell, rangesOf } from '../domain/numa.ts';
import { memoryBackend } from './argv-memory.ts';
import { json } from './arguments.ts';

/** A back end and `-numa` for each node, and the distances between them. */
export function numaArguments(domain: Domain): string[] {
  const cells = domain.cpu?.numa ?? [];
  return [...cells.flatMap((cell) => [...memory(domain, cell), ...node(cell)]), ...distances(cells)];
}

function memory(domain: Domain, cell: NumaCell): string[] {
  return json('-object', memoryBackend(domain, { id: backendOf(cell), bytes: cell.memoryBytes, cell }));
}

function node(cell: NumaCell): string[] {
  const cpus = rangesOf(cell.cpus).map(([first, last]) => `,cpus=${first === last ? first : `${first}-${last}`}`);
  return ['-numa', `node,nodeid=${cell.id}${cpus.join('')},memdev=${backendOf(cell)}`];
}

function backendOf({ id }: NumaCell): string {
  return `ram-node${id}`;
}

/** QEMU wants all of them or none. */
function distances(cells: readonly NumaCell[]): string[] {
  if (cells.every((cell) => cell.distances.length === 0)) return [];
  return cells.flatMap((from) =>
    cells.flatMap((to) => ['-numa', `dist,src=${from.id},dst=${to.id},val=${distance(from, to)}`]),
  );
}

/** What is said of one direction holds for the other, unless that is said too. */
function distance(from: NumaCell, to: NumaCell): number {
  const told = from.distances.find(({ cell }) => cell === to.id) ?? to.distances.find(({ cell }) => cell === from.id);
  return told?.value ?? (from.id === to.id ? 10 : 20);
}
