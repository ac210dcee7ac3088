import { expect, test } from 'vitest';
import type { Cpu } from '../../../lib/domain/definition.ts';
import { bareCpu, bareDomain } from '../../fixtures/qmp/domains.ts';
import { at } from '../../fixtures/qmp/machines.ts';
import { argvOf, deviceOf, objectsOf, valuesOf } from './argv-of.ts';

const mib = 2 ** 20;

const cpu: Cpu = {
  ...bareCpu,
  numa: [{ id: 0, cpus: [0], memoryBytes: 64 * mib, access: null, discard: null, distances: [] }],
};

const module = {
  model: 'dimm',
  sizeBytes: 32 * mib,
  node: 0,
  access: null,
  discard: null,
  pageBytes: null,
  nodes: null,
} as const;

test('modules of memory are in slots, beside what the node has', () => {
  const argv = argvOf({
    cpu,
    memoryBytes: 128 * mib,
    maxMemory: { bytes: 2 ** 30, slots: 4 },
    memoryModules: [
      { ...module, slot: 2, base: null, access: 'shared', pageBytes: 2 * mib, nodes: [1] },
      { ...module, slot: 0, base: 2 ** 32 },
    ],
    numatune: { memory: { mode: 'interleave', nodes: [0, 1] }, cells: [] },
  });
  expect(valuesOf('-m', argv)).toEqual([`size=${(64 * mib) / 1024}k,slots=4,maxmem=${2 ** 20}k`]);
  expect(objectsOf('-object', argv).slice(1)).toEqual([
    {
      'qom-type': 'memory-backend-memfd',
      id: 'memdimm2',
      hugetlb: true,
      hugetlbsize: 2 * mib,
      share: true,
      prealloc: true,
      size: 32 * mib,
      'host-nodes': [1],
      policy: 'interleave',
    },
    {
      'qom-type': 'memory-backend-ram',
      id: 'memdimm0',
      share: false,
      size: 32 * mib,
      'host-nodes': [0, 1],
      policy: 'interleave',
    },
  ]);
  expect(deviceOf('dimm2', argv)).toEqual({ driver: 'pc-dimm', node: 0, memdev: 'memdimm2', id: 'dimm2', slot: 2 });
  expect(deviceOf('dimm0', argv)).toMatchObject({ slot: 0, addr: 2 ** 32 });
});

test('blocks of memory are given as many as are requested, and none is taken before', () => {
  const { sizeBytes, node, access, discard } = module;
  const part = {
    model: 'virtio-mem',
    sizeBytes,
    node,
    access,
    discard,
    pageBytes: null,
    nodes: null,
    base: null,
  } as const;
  const blocks = { ...part, blockBytes: 2 * mib, requestedBytes: 4 * mib, dynamicSlots: null, address: null };
  const argv = argvOf({
    cpu,
    memoryBytes: 128 * mib,
    maxMemory: { bytes: 2 ** 30, slots: 0 },
    memoryBacking: { ...bareDomain.memoryBacking, allocation: 'immediate' },
    memoryModules: [blocks, { ...blocks, pageBytes: 2 * mib, base: 2 ** 32, dynamicSlots: true, address: at(0, 7) }],
  });
  expect(valuesOf('-m', argv)).toEqual([`size=${(64 * mib) / 1024}k,maxmem=${2 ** 20}k`]);
  expect(objectsOf('-object', argv).slice(1)).toEqual([
    { 'qom-type': 'memory-backend-ram', id: 'memvirtiomem0', share: false, size: 32 * mib, reserve: false },
    {
      'qom-type': 'memory-backend-memfd',
      id: 'memvirtiomem1',
      hugetlb: true,
      hugetlbsize: 2 * mib,
      share: false,
      size: 32 * mib,
      reserve: false,
    },
  ]);
  expect(deviceOf('virtiomem0', argv)).toMatchObject({
    ...{ driver: 'virtio-mem-pci', node: 0, 'block-size': 2 * mib, 'requested-size': 4 * mib, memdev: 'memvirtiomem0' },
    prealloc: true,
  });
  expect(deviceOf('virtiomem1', argv)).toMatchObject({ memaddr: 2 ** 32, 'dynamic-memslots': true, addr: '0x7' });
});
