import { describe, expect, test } from 'vitest';
import { deviceNumber, hugePageFence, memoryLimits } from '../../../lib/daemon/limits.ts';
import { requireNodes } from '../../../lib/daemon/memory-places.ts';
import { requireVendor } from '../../../lib/daemon/preparation.ts';
import { requireCpus } from '../../../lib/daemon/tuning.ts';
import type { Domain } from '../../../lib/domain/definition.ts';
import { numaGuest } from '../../fixtures/qmp/machines.ts';
import { machine } from './machine.ts';

describe('limits of memory', () => {
  test('are the bytes of the definition, none where there is none', () => {
    expect(memoryLimits({ hardLimitBytes: null, softLimitBytes: null, swapHardLimitBytes: null })).toEqual({
      memoryMax: null,
      memoryHigh: null,
      swapMax: null,
    });
  });

  test('leave swap what swap_hard_limit has above the hard limit: it counts both', () => {
    const limits = { hardLimitBytes: 4096, softLimitBytes: 2048, swapHardLimitBytes: 10_240 };
    expect(memoryLimits(limits)).toEqual({ memoryMax: 4096, memoryHigh: 2048, swapMax: 6144 });
    expect(memoryLimits({ ...limits, swapHardLimitBytes: 4096 }).swapMax).toBe(0);
    expect(memoryLimits({ ...limits, hardLimitBytes: null }).swapMax).toBe(10_240);
  });
});

describe('the fence of huge pages', () => {
  const backing = machine().memoryBacking;
  const twoMiB = 2 ** 21;
  const sizeOf = (bytes: number | null): number => bytes ?? twoMiB;

  test('is what was asked for, in whole pages; none for ordinary memory', () => {
    expect(hugePageFence(machine(), sizeOf)).toEqual(new Map());
    const inPages = machine({ memoryBacking: { ...backing, hugepages: { pageBytes: null } } });
    expect(hugePageFence(inPages, sizeOf)).toEqual(new Map([[twoMiB, 64 * 2 ** 20]]));
    expect(hugePageFence({ ...inPages, memoryBytes: 63 * 2 ** 20 }, sizeOf)).toEqual(new Map([[twoMiB, 64 * 2 ** 20]]));
  });

  test('leaves every node its own rounding', () => {
    // Two nodes of 32 MiB: a page each.
    const pageBytes = 2 ** 26;
    const nodes = { ...numaGuest, memoryBacking: { ...numaGuest.memoryBacking, hugepages: { pageBytes } } };
    expect(hugePageFence(nodes, sizeOf)).toEqual(new Map([[pageBytes, 2 * pageBytes]]));
  });

  test('is not there for pages that the host has not', () => {
    const inPages = machine({ memoryBacking: { ...backing, hugepages: { pageBytes: 2 ** 30 } } });
    expect(hugePageFence(inPages, () => null)).toEqual(new Map());
  });
});

describe('a device number', () => {
  test.each([
    [0x801, '8:1'],
    [0xfd00, '253:0'],
    [0x10_08_10, '8:272'],
    [0xff_f0_0f_ff, '15:1048575'],
  ])('0x%s is %s', (rdev, text) => {
    expect(deviceNumber(rdev)).toBe(text);
  });
});

describe('pins', () => {
  const { cputune } = machine();

  test('on CPUs that are online pass', () => {
    requireCpus({ ...cputune, cpuset: [0, 1], vcpuPins: [{ vcpu: 0, cpus: [1] }], emulatorPin: [0] }, [0, 1, 2]);
  });

  test.each([
    [{ cpuset: [0, 7] }, '<vcpu cpuset> names CPU 7,'],
    [{ emulatorPin: [3] }, '<emulatorpin> names CPU 3,'],
    [{ iothreadPins: [{ iothread: 1, cpus: [5] }] }, "<iothreadpin iothread='1'> names CPU 5,"],
    [{ vcpuPins: [{ vcpu: 1, cpus: [2, 3] }] }, "<vcpupin vcpu='1'> names CPU 2, 3,"],
  ])('%j are refused by their element', (change, message) => {
    expect(() => requireCpus({ ...cputune, ...change }, [0, 1])).toThrow(message);
  });
});

describe('NUMA nodes', () => {
  const memory = { mode: 'strict', nodes: [0, 1] } as const;

  test('that the host has pass', () => {
    requireNodes(
      { numatune: { memory, cells: [{ cell: 0, mode: 'preferred', nodes: [1] }] }, memoryModules: [] },
      [0, 1],
    );
  });

  test.each([
    [{ memory, cells: [] }, '<numatune><memory> names NUMA node 1,'],
    [{ memory: null, cells: [{ ...memory, cell: 2 }] }, "<memnode cellid='2'> names NUMA node 1,"],
  ])('%j are refused by their element', (numatune, message) => {
    expect(() => {
      requireNodes({ numatune, memoryModules: [] }, [0]);
    }).toThrow(expect.objectContaining({ code: 'HOST_LACKS', message: expect.stringContaining(message) }));
  });
});

describe('a vendor', () => {
  const of = (type: 'kvm' | 'qemu', vendor: string | null): Domain => {
    return { ...machine(), type, cpu: { ...numaGuest.cpu!, vendor } };
  };

  test('that the host has, or none, or that is emulated, passes', () => {
    requireVendor(of('kvm', 'Intel'), 'Intel');
    requireVendor(of('kvm', null), null);
    requireVendor(of('qemu', 'AMD'), 'Intel');
  });

  test('of another host is refused by name', () => {
    const message = '<cpu> wants a processor of AMD, this host has one of Intel';
    expect(() => {
      requireVendor(of('kvm', 'AMD'), 'Intel');
    }).toThrow(expect.objectContaining({ code: 'HOST_LACKS', message }));
  });
});
