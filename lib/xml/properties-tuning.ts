/** Lines of the table: memory and its limits, CPUs, shares of the host. */
import { cpuSet, amount, integer, limit, nodeSet, unit, wholeNumber } from './numbers.ts';
import { holder, ignored, missing, only, part, required, several, under, value, whole } from './property.ts';
import { oneOf, path, supported } from './values.ts';

const count = wholeNumber(1, 65535);

// Whole: a limit that says "none" is not printed again, so nothing can be kept inside it.
const sized = { '': whole(value(amount)), '/@unit': value(unit) } as const;

// The kernel's bounds of cpu.cfs_period_us and quota, as libvirt checks them.
const period = value(integer(1000, 1_000_000));
const quota = value(limit(1000, 17_592_186_044_415));

const most = Number.MAX_SAFE_INTEGER;
const perSecond = whole(value(limit(1, most)));

export const tuning = {
  '/domain/memory': required(value(amount)),
  '/domain/memory/@unit': value(unit),
  // A hypervisor of domctl never leaves a core.
  '/domain/memory/@dumpCore': ignored(value(supported('off'))),
  '/domain/currentMemory': value(amount),
  '/domain/currentMemory/@unit': value(unit),
  ...under('/domain/memoryBacking', {
    '': holder,
    '/hugepages': whole(holder),
    '/hugepages/page': several(holder),
    '/hugepages/page/@size': required(value(amount)),
    '/hugepages/page/@unit': value(unit),
    '/hugepages/page/@nodeset': value(nodeSet),
    '/nosharepages': holder,
    '/locked': holder,
    '/source': holder,
    '/source/@type': only('anonymous', 'memfd', 'file'),
    '/access': holder,
    '/access/@mode': value(oneOf('private', 'shared')),
    '/allocation': holder,
    '/allocation/@mode': value(oneOf('ondemand', 'immediate')),
    '/allocation/@threads': value(count),
    '/discard': holder,
  }),
  '/domain/memtune': holder,
  ...under('/domain/memtune/hard_limit', sized),
  ...under('/domain/memtune/soft_limit', sized),
  ...under('/domain/memtune/swap_hard_limit', sized),
  '/domain/memtune/min_guarantee': missing(
    "remove it; QEMU has no such limit, and libvirt's driver refuses it as well",
  ),
  ...under('/domain/blkiotune', {
    '': holder,
    '/weight': part(wholeNumber(1, 10_000)),
    '/device': several(holder),
    '/device/path': required(value(path('/dev/sda'))),
    '/device/weight': part(wholeNumber(1, 10_000)),
    '/device/read_iops_sec': perSecond,
    '/device/write_iops_sec': perSecond,
    '/device/read_bytes_sec': perSecond,
    '/device/write_bytes_sec': perSecond,
  }),
  '/domain/vcpu': value(count),
  '/domain/vcpu/@placement': { ...value(supported('static')), refusal: 'attribute' },
  '/domain/vcpu/@current': value(count),
  '/domain/vcpu/@cpuset': value(cpuSet),
  ...under('/domain/cputune', {
    '': holder,
    '/shares': part(wholeNumber(1, 10_000)),
    '/period': period,
    '/quota': quota,
    '/global_period': period,
    '/global_quota': quota,
    '/emulator_period': period,
    '/emulator_quota': quota,
    '/vcpupin': several(holder),
    '/vcpupin/@vcpu': required(value(wholeNumber(0, 65534))),
    '/vcpupin/@cpuset': required(value(cpuSet)),
    '/emulatorpin': holder,
    '/emulatorpin/@cpuset': required(value(cpuSet)),
  }),
} as const;
