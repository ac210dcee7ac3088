/** How much of the host a domain may have -> XML. */
import type {
  Bandwidth,
  Blkiotune,
  BlkioDevice,
  Cputune,
  Domain,
  MemoryBacking,
  Memtune,
} from '../domain/definition.ts';
import { tellCpuSet } from './numbers.ts';
import { mark, tag, texted, type Tag } from './serialize.ts';

/** An amount of memory, in libvirt's unit. */
export function memory(name: string, bytes: number): Tag {
  return tag(name, { unit: 'KiB' }, Math.ceil(bytes / 1024));
}

function limit(name: string, bytes: number | null): Tag | null {
  return bytes === null ? null : memory(name, bytes);
}

/** `<blkiotune>`, perhaps empty. */
export function blkiotune({ weight, devices }: Blkiotune): Tag {
  return tag('blkiotune', {}, [texted('weight', weight), ...devices.map(blkioDevice)]);
}

function blkioDevice(device: BlkioDevice): Tag {
  return tag('device', {}, [
    tag('path', {}, device.path),
    texted('weight', device.weight),
    texted('read_iops_sec', device.readOperationsPerSecond),
    texted('write_iops_sec', device.writeOperationsPerSecond),
    texted('read_bytes_sec', device.readBytesPerSecond),
    texted('write_bytes_sec', device.writeBytesPerSecond),
  ]);
}

/** `<memtune>`, perhaps empty. */
export function memtune({ hardLimitBytes, softLimitBytes, swapHardLimitBytes }: Memtune): Tag {
  return tag('memtune', {}, [
    limit('hard_limit', hardLimitBytes),
    limit('soft_limit', softLimitBytes),
    limit('swap_hard_limit', swapHardLimitBytes),
  ]);
}

/** `<memoryBacking>`, perhaps empty. */
export function memoryBacking(backing: MemoryBacking): Tag {
  const { source, access, allocation, allocationThreads, hugepages, nodePages, locked, mergePages, discard } = backing;
  const isPlain = allocation === 'ondemand' && allocationThreads === null;
  return tag('memoryBacking', {}, [
    hugepages === null && nodePages.length === 0 ? null : pages(backing),
    mark('nosharepages', !mergePages),
    mark('locked', locked),
    source === 'anonymous' ? null : tag('source', { type: source }),
    access === 'private' ? null : tag('access', { mode: access }),
    isPlain ? null : tag('allocation', { mode: allocation, threads: allocationThreads }),
    mark('discard', discard),
  ]);
}

function pages({ hugepages, nodePages }: MemoryBacking): Tag {
  const bytes = hugepages?.pageBytes ?? null;
  return tag('hugepages', {}, [
    bytes === null ? null : page(bytes, null),
    ...nodePages.map((each) => page(each.pageBytes, tellCpuSet(each.cells))),
  ]);
}

function page(bytes: number, nodeset: string | null): Tag {
  return tag('page', { size: Math.ceil(bytes / 1024), unit: 'KiB', nodeset });
}

/** `<vcpu>`. */
export function vcpu({ vcpus, currentVcpus, cputune: { cpuset } }: Domain): Tag {
  const current = currentVcpus === vcpus ? null : currentVcpus;
  return tag('vcpu', { placement: 'static', cpuset: cpuset === null ? null : tellCpuSet(cpuset), current }, vcpus);
}

/** `<cputune>`, perhaps empty. */
export function cputune(tuning: Cputune): Tag {
  const { shares, vcpuBandwidth, globalBandwidth, emulatorBandwidth, iothreadBandwidth } = tuning;
  const { vcpuPins, emulatorPin, iothreadPins } = tuning;
  return tag('cputune', {}, [
    texted('shares', shares),
    ...bandwidth('', vcpuBandwidth),
    ...bandwidth('global_', globalBandwidth),
    ...bandwidth('emulator_', emulatorBandwidth),
    ...bandwidth('iothread_', iothreadBandwidth),
    ...vcpuPins.map((pin) => tag('vcpupin', { vcpu: pin.vcpu, cpuset: tellCpuSet(pin.cpus) })),
    emulatorPin === null ? null : tag('emulatorpin', { cpuset: tellCpuSet(emulatorPin) }),
    ...iothreadPins.map(({ iothread, cpus }) => tag('iothreadpin', { iothread, cpuset: tellCpuSet(cpus) })),
  ]);
}

function bandwidth(of: string, share: Bandwidth | null): Tag[] {
  if (share === null) return [];
  return [tag(`${of}period`, {}, share.periodUs), tag(`${of}quota`, {}, share.quotaUs ?? -1)];
}
