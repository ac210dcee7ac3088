import { describe, expect, test } from 'vitest';
import { type DeviceLimits, type Limits, limitTexts, unthrottled } from '../../../cgroups/limits.ts';

/** `FILE TEXT` of every write. */
function texts(limits: Limits): string[] {
  return limitTexts(limits).flatMap(({ writes }) => writes.map(({ file, text }) => `${file} ${text}`));
}

const disk: DeviceLimits = {
  device: '8:16',
  weight: null,
  readBytesPerSecond: null,
  writeBytesPerSecond: null,
  readOperationsPerSecond: null,
  writeOperationsPerSecond: null,
};

describe('limits as texts', () => {
  test('nothing wanted is nothing written', () => {
    expect(limitTexts({})).toEqual([]);
    expect(limitTexts({ memoryMax: null, cpuMax: null, cpus: null, ioWeight: null, ioDevices: [disk] })).toEqual([]);
  });

  test.each<[Limits, string]>([
    [{ memoryMax: 2 ** 30 }, 'memory.max 1073741824'],
    [{ memoryHigh: 2 ** 40 }, 'memory.high 1099511627776'],
    [{ swapMax: 0 }, 'memory.swap.max 0'],
    [{ cpuWeight: 200 }, 'cpu.weight 200'],
    [{ cpuMax: { quotaUs: 50_000, periodUs: 100_000 } }, 'cpu.max 50000 100000'],
    [{ cpuMax: { quotaUs: null, periodUs: 250_000 } }, 'cpu.max max 250000'],
    [unthrottled, 'cpu.max max 100000'],
    [{ cpus: [0, 2, 3] }, 'cpuset.cpus 0,2,3'],
    [{ hugePages: new Map([[2 ** 21, 2 ** 30]]) }, 'hugetlb.2MB.rsvd.max 1073741824'],
    [{ hugePages: new Map([[2 ** 30, 2 ** 31]]) }, 'hugetlb.1GB.rsvd.max 2147483648'],
    [{ hugePages: new Map([[2 ** 16, 2 ** 20]]) }, 'hugetlb.64KB.rsvd.max 1048576'],
  ])('%o', (limits, text) => {
    expect(texts(limits)).toEqual([text]);
  });

  test('a weight goes to whichever scheduler there is, within what that one takes', () => {
    expect(texts({ ioWeight: 500 })).toEqual(['io.weight default 500', 'io.bfq.weight default 500']);
    expect(texts({ ioWeight: 5000 })).toEqual(['io.weight default 5000', 'io.bfq.weight default 1000']);
  });

  test('a device has its rates in one line, and its weight', () => {
    const limits = { ...disk, readBytesPerSecond: 1000, writeOperationsPerSecond: 5, weight: 300 };
    expect(texts({ ioDevices: [limits, { ...disk, device: '8:0', writeBytesPerSecond: 7 }] })).toEqual([
      'io.max 8:16 rbps=1000 wiops=5',
      'io.weight 8:16 300',
      'io.bfq.weight 8:16 300',
      'io.max 8:0 wbps=7',
    ]);
    expect(texts({ ioDevices: [{ ...disk, readOperationsPerSecond: 10, writeBytesPerSecond: 20 }] })).toEqual([
      'io.max 8:16 wbps=20 riops=10',
    ]);
  });

  test('each names its controller and what asked for it', () => {
    const all = limitTexts({ memoryMax: 1, cpuWeight: 2, cpus: [0], ioWeight: 3 });
    expect(all.map(({ name, controller }) => `${name} ${controller}`)).toEqual([
      'memoryMax memory',
      'cpuWeight cpu',
      'cpus cpuset',
      'ioWeight io',
    ]);
  });
});
