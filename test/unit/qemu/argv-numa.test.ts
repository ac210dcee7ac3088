import { describe, expect, test } from 'vitest';
import type { Domain } from '../../../lib/domain/definition.ts';
import type { NumaCell } from '../../../lib/domain/numa.ts';
import { bareCpu, bareDomain } from '../../fixtures/qmp/domains.ts';
import { argvOf, objectsOf, valuesOf } from './argv-of.ts';

const mib = 2 ** 20;

function cell(id: number, cpus: readonly number[], change: Partial<NumaCell> = {}): NumaCell {
  return { id, cpus, memoryBytes: 64 * mib, access: null, discard: null, distances: [], ...change };
}

function guest(numa: readonly NumaCell[], change: Partial<Domain> = {}): Partial<Domain> {
  const cpu = { ...bareCpu, numa };
  return { vcpus: 6, currentVcpus: 6, memoryBytes: 64 * mib * numa.length, cpu, ...change };
}

describe('a guest with NUMA nodes', () => {
  test('has a back end for each, and none for the whole', () => {
    const argv = argvOf(guest([cell(0, [0, 1, 4, 5], { memoryBytes: 63.5 * mib }), cell(1, [2]), cell(2, [])]));
    expect(valuesOf('-m', argv)).toEqual([`size=${(3 * 64 * mib) / 1024}k`]);
    expect(valuesOf('-machine', argv)[0]).not.toContain('memory-backend');
    const ram = { 'qom-type': 'memory-backend-ram', share: false, size: 64 * mib };
    expect(objectsOf('-object', argv)).toEqual(['ram-node0', 'ram-node1', 'ram-node2'].map((id) => ({ ...ram, id })));
    expect(valuesOf('-numa', argv)).toEqual([
      'node,nodeid=0,cpus=0-1,cpus=4-5,memdev=ram-node0',
      'node,nodeid=1,cpus=2,memdev=ram-node1',
      'node,nodeid=2,memdev=ram-node2',
    ]);
  });

  test('shares the memory of those that say so', () => {
    const memoryBacking = { ...bareDomain.memoryBacking, source: 'file', access: 'shared' } as const;
    const argv = argvOf(guest([cell(0, [0]), cell(1, [1], { access: 'private' })], { memoryBacking }));
    expect(objectsOf('-object', argv)).toMatchObject([
      { 'qom-type': 'memory-backend-memfd', share: true },
      { 'qom-type': 'memory-backend-memfd', share: false },
    ]);
  });

  test('has huge pages of the size that each node has', () => {
    const nodePages = [{ cells: [1], pageBytes: 2 ** 30 }];
    const memoryBacking = { ...bareDomain.memoryBacking, hugepages: { pageBytes: 2 * mib }, nodePages };
    const objects = objectsOf('-object', argvOf(guest([cell(0, [0]), cell(1, [1])], { memoryBacking })));
    expect(objects).toMatchObject([{ hugetlbsize: 2 * mib }, { hugetlbsize: 2 ** 30, prealloc: true }]);
    const single = { ...memoryBacking, hugepages: null };
    const [ordinary] = objectsOf('-object', argvOf(guest([cell(0, [0]), cell(1, [1])], { memoryBacking: single })));
    expect(ordinary).toMatchObject({ 'qom-type': 'memory-backend-ram' });
  });

  test('is told every distance as soon as one is given, either way the same', () => {
    const cells = [cell(0, [0], { distances: [{ cell: 1, value: 21 }] }), cell(1, [1]), cell(2, [2])];
    expect(valuesOf('-numa', argvOf(guest(cells))).slice(3)).toEqual([
      'dist,src=0,dst=0,val=10',
      'dist,src=0,dst=1,val=21',
      'dist,src=0,dst=2,val=20',
      'dist,src=1,dst=0,val=21',
      'dist,src=1,dst=1,val=10',
      'dist,src=1,dst=2,val=20',
      'dist,src=2,dst=0,val=20',
      'dist,src=2,dst=1,val=20',
      'dist,src=2,dst=2,val=10',
    ]);
  });
});

describe('memory comes from nodes of the host', () => {
  const memory = { mode: 'interleave', nodes: [0, 1] } as const;

  test('without nodes of the guest', () => {
    const argv = argvOf({ numatune: { memory: { mode: 'strict', nodes: [3] }, cells: [] } });
    expect(objectsOf('-object', argv)).toMatchObject([{ id: 'pc.ram', 'host-nodes': [3], policy: 'bind' }]);
  });

  test('by node of the guest, the others as the rest', () => {
    const numatune = { memory, cells: [{ cell: 1, mode: 'preferred', nodes: [1] }] } as const;
    const objects = objectsOf('-object', argvOf(guest([cell(0, [0]), cell(1, [1])], { numatune })));
    expect(objects).toMatchObject([
      { 'host-nodes': [0, 1], policy: 'interleave' },
      { 'host-nodes': [1], policy: 'preferred' },
    ]);
  });
});
