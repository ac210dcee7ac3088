/** Pools of huge pages from a tree like sysfs. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readHugePools } from '../../../lib/host/huge-pools.ts';

const MiB = 2 ** 20;
let sys = '';

beforeEach(() => {
  sys = mkdtempSync(join(tmpdir(), 'sys-'));
});
afterEach(() => rmSync(sys, { recursive: true }));

function pool(below: string, kib: number, pages: number, free: number): void {
  const directory = join(sys, below, `hugepages-${kib}kB`);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'nr_hugepages'), `${pages}\n`);
  writeFileSync(join(directory, 'free_hugepages'), `${free}\n`);
}

test('by size and node; sizes without pages are left out', () => {
  pool('kernel/mm/hugepages', 1048576, 2, 1);
  pool('kernel/mm/hugepages', 2048, 512, 100);
  pool('kernel/mm/hugepages', 64, 0, 0);
  for (const [node, small] of [
    [0, 300],
    [1, 212],
  ] as const) {
    pool(`devices/system/node/node${node}/hugepages`, 2048, small, 50);
    pool(`devices/system/node/node${node}/hugepages`, 1048576, 1, node);
    pool(`devices/system/node/node${node}/hugepages`, 64, 0, 0);
  }
  expect(readHugePools(sys)).toEqual([
    {
      ...{ pageBytes: 2 * MiB, totalBytes: 1024 * MiB, freeBytes: 200 * MiB },
      nodes: [
        { node: 0, totalBytes: 600 * MiB, freeBytes: 100 * MiB },
        { node: 1, totalBytes: 424 * MiB, freeBytes: 100 * MiB },
      ],
    },
    {
      ...{ pageBytes: 1024 * MiB, totalBytes: 2048 * MiB, freeBytes: 1024 * MiB },
      nodes: [
        { node: 0, totalBytes: 1024 * MiB, freeBytes: 0 },
        { node: 1, totalBytes: 1024 * MiB, freeBytes: 1024 * MiB },
      ],
    },
  ]);
});

test('a kernel without nodes has pools all the same, one without pools none', () => {
  expect(readHugePools(sys)).toEqual([]);
  pool('kernel/mm/hugepages', 2048, 4, 4);
  expect(readHugePools(sys)).toMatchObject([{ totalBytes: 8 * MiB, nodes: [] }]);
});
