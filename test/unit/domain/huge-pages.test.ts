import { expect, test } from 'vitest';
import { memoryByPages } from '../../../lib/domain/huge-pages.ts';
import { bareDomain } from '../../fixtures/qmp/domains.ts';
import { numaGuest } from '../../fixtures/qmp/machines.ts';

const mib = 2 ** 20;
const module = { model: 'dimm' as const, node: 1, access: null, discard: null, nodes: null, slot: 0, base: null };

test('memory without nodes is of one kind of pages', () => {
  expect(memoryByPages(bareDomain)).toEqual({ huge: new Map(), ordinaryBytes: 64 * mib });
  const memoryBacking = { ...bareDomain.memoryBacking, hugepages: { pageBytes: null } };
  expect(memoryByPages({ ...bareDomain, memoryBacking })).toEqual({
    huge: new Map([[null, 64 * mib]]),
    ordinaryBytes: 0,
  });
});

test('each node has its pages, and modules those of their node or their own', () => {
  const nodePages = [{ cells: [1], pageBytes: 2 * mib }];
  const memoryBacking = { ...numaGuest.memoryBacking, nodePages };
  const memoryModules = [
    { ...module, sizeBytes: 8 * mib, pageBytes: null },
    { ...module, sizeBytes: 16 * mib, pageBytes: 2 ** 30 },
    { ...module, sizeBytes: 24 * mib, pageBytes: null, node: 0 },
  ];
  expect(memoryByPages({ ...numaGuest, memoryBacking, memoryModules })).toEqual({
    huge: new Map([
      [2 * mib, 40 * mib],
      [2 ** 30, 16 * mib],
    ]),
    ordinaryBytes: 56 * mib,
  });
});
