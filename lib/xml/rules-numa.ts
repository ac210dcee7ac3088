/** Rules on nodes of the guest, and of the host below them. */
import type { NumaPlacement } from '../domain/numa.ts';
import { find, findAll, type Known } from './known.ts';
import { cellElements, cellSize, maxCells } from './parse-numa.ts';
import type { Problem } from './problems.ts';
import { at, repeats, when, type Ruled } from './rule.ts';

/** What is wrong with `<numa>` and `<numatune>`. */
export function brokenNuma(known: Known, domain: Ruled): Problem[] {
  const elements = cellElements(known);
  if (elements.length > maxCells)
    return [at(known, '/domain/cpu/numa', `there are more than ${maxCells} cells`, 'make fewer')];
  return [
    ...brokenSizes(elements),
    ...brokenNumbers(known, domain),
    ...brokenCpus(known, domain),
    ...brokenDistances(known, domain),
    ...brokenPlacement(known, domain),
  ];
}

function brokenSizes(elements: readonly Known[]): Problem[] {
  return elements.flatMap((cell) => {
    const tooLarge = 'more memory than there is on any host';
    return when(cellSize(cell) === null, cell, '/domain/cpu/numa/cell', tooLarge, 'check the unit');
  });
}

function brokenNumbers(known: Known, { cpu }: Ruled): Problem[] {
  const cells = cpu?.numa ?? [];
  const isBroken = cells.some(({ id }, index) => id !== index);
  const message = 'the cells are not numbered from 0 on, each number once';
  return when(isBroken, known, '/domain/cpu/numa', message, 'number them so, or leave out every id');
}

function brokenCpus(known: Known, { cpu, vcpus }: Ruled): Problem[] {
  const most = 8192;
  const tooMany = `cells have ${most} vCPUs at most`;
  const all = (cpu?.numa ?? []).flatMap(({ cpus }) => cpus);
  const isTwice = new Set(all).size < all.length;
  const last = all.reduce((most, each) => Math.max(most, each), 0);
  const beyond = `a cell has vCPU ${last}; there are ${vcpus}, from 0 on`;
  return [
    ...when(all.length > most, known, '/domain/cpu/numa', tooMany, 'make them fewer'),
    ...when(isTwice, known, '/domain/cpu/numa', 'a vCPU is in two cells', 'leave it in one of them'),
    ...when(last >= vcpus && all.length > 0, known, '/domain/cpu/numa', beyond, 'make them agree with <vcpu>'),
  ];
}

function brokenDistances(known: Known, { cpu }: Ruled): Problem[] {
  const cells = cpu?.numa ?? [];
  const isBroken = cells.some(({ id, distances }) => {
    const isRepeated = repeats(distances.map(({ cell }) => cell));
    return distances.some((one, index) => {
      const isSelf = one.cell === id;
      return isRepeated(index) || one.cell >= cells.length || isSelf !== (one.value === 10);
    });
  });
  const message = 'a distance is given twice, leads to no cell, or is 10 to another cell';
  return when(isBroken, known, '/domain/cpu/numa', message, '10 is the distance to itself, 20 the usual one to others');
}

function brokenPlacement(known: Known, { cpu, numatune }: Ruled): Problem[] {
  const count = Math.max(1, cpu?.numa.length ?? 0);
  const isRepeated = repeats(numatune.cells.map(({ cell }) => cell));
  const nodes = findAll(known, '/domain/numatune', '/domain/numatune/memnode');
  const memory = find(known, '/domain/numatune/memory');
  return [
    ...nodes.slice(0, maxCells + 1).flatMap((element, index) => {
      const one = numatune.cells[index];
      if (one === undefined) return [];
      const none = (cpu?.numa.length ?? 0) === 0 || one.cell >= count;
      return [
        ...when(none, element, '/domain/numatune/memnode', `the guest has no cell ${one.cell}`, 'add it to <numa>'),
        ...when(isRepeated(index), element, '/domain/numatune/memnode', 'the cell has a place already', 'keep one'),
        ...brokenMode(element, '/domain/numatune/memnode', one),
      ];
    }),
    ...(memory && numatune.memory ? brokenMode(memory, '/domain/numatune/memory', numatune.memory) : []),
  ];
}

function brokenMode(
  element: Known,
  key: '/domain/numatune/memory' | '/domain/numatune/memnode',
  { mode, nodes }: NumaPlacement,
): Problem[] {
  const message = 'one node can be preferred, not several';
  return when(
    mode === 'preferred' && nodes.length !== 1,
    element,
    key,
    message,
    "name one, or write mode='interleave'",
  );
}
