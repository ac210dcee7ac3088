/** NUMA: the nodes that a guest sees, and the nodes of the host which its memory comes from. Pure data. */

import type { Address } from './devices.ts';

/** A node of the guest. */
export interface NumaCell {
  /** From 0 on, without gaps; cells are in this order. */
  readonly id: number;
  /** Numbers of its vCPUs, sorted; none: a node of memory alone. */
  readonly cpus: readonly number[];
  /** Whole KiB. */
  readonly memoryBytes: number;
  /** null: as `<memoryBacking>` says. */
  readonly access: 'private' | 'shared' | null;
  /** Whether its pages may be thrown away at exit; null: as `<memoryBacking>` says. */
  readonly discard: boolean | null;
  /** As the firmware tells them, 10 for the node itself; those not given are 10 and 20. */
  readonly distances: readonly { readonly cell: number; readonly value: number }[];
}

/** Which nodes of the host memory is taken from. */
export interface NumaPlacement {
  readonly mode: 'strict' | 'preferred' | 'interleave';
  /** Numbers of the host's nodes, sorted. */
  readonly nodes: readonly number[];
}

export interface Numatune {
  /** Of all memory that `cells` does not tell of; null: the kernel chooses. */
  readonly memory: NumaPlacement | null;
  /** Of single nodes of the guest. */
  readonly cells: readonly (NumaPlacement & { readonly cell: number })[];
}

/** Where the memory of a node of the guest (null: of a guest without nodes) is taken from; null: the kernel chooses. */
export function placementOf({ memory, cells }: Numatune, cell: number | null): NumaPlacement | null {
  return cells.find((each) => each.cell === cell) ?? memory;
}

/** First and last of the numbers in a row; `sorted` is in order, each number once. */
export function rangesOf(sorted: readonly number[]): (readonly [first: number, last: number])[] {
  const starts = sorted.filter((each, index) => sorted[index - 1] !== each - 1);
  const ends = sorted.filter((each, index) => sorted[index + 1] !== each + 1);
  return starts.map((start, index) => [start, ends[index] ?? start] as const);
}

/** Memory beside that of the nodes. */
export type MemoryModule = Dimm | VirtioMem;

/** A module in a slot. */
export interface Dimm extends ModuleMemory {
  readonly model: 'dimm';
  /** Chosen at define, the lowest that is free, when the definition names none. */
  readonly slot: number;
}

/** A device that gives its guest as many blocks of memory as it is asked for, and takes them back. */
export interface VirtioMem extends ModuleMemory {
  readonly model: 'virtio-mem';
  readonly blockBytes: number;
  /** What the guest is to have of it. */
  readonly requestedBytes: number;
  /** Whether the host maps what is there alone; null: QEMU's default. */
  readonly dynamicSlots: boolean | null;
  readonly address: Address | null;
}

interface ModuleMemory {
  /** Whole KiB. */
  readonly sizeBytes: number;
  /** Node of the guest it belongs to. */
  readonly node: number;
  readonly access: 'private' | 'shared' | null;
  readonly discard: boolean | null;
  /** Size of its pages; null: those of its node. */
  readonly pageBytes: number | null;
  /** Nodes of the host it is taken from, strictly unless `<numatune>` says else; null: as `<numatune>` has it. */
  readonly nodes: readonly number[] | null;
  /** Where the guest finds it; null: QEMU chooses. */
  readonly base: number | null;
}
