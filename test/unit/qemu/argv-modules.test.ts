import { expect, test } from 'vitest';
import type { Cpu } from '../../../lib/domain/definition.ts';
import { bareCpu } from '../../fixtures/qmp/domains.ts';
import { argvOf, deviceOf, objectsOf, valuesOf } from './argv-of.ts';

const mib = 2 ** 20;

const cpu: Cpu = {
  ...bareCpu,
  numa: [{ id: 0, cpus: [0], memoryBytes: 64 * mib, access: null, discard: null, distances: [] }],
};

const module = { sizeBytes: 32 * mib, node: 0, access: null, discard: null, pageBytes: null, nodes: null };

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
