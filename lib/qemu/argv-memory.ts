/** Guest memory as QEMU's arguments. Pure. Owns which backend holds it. */
import type { Domain, MemoryBacking } from '../domain/definition.ts';
import { given, impossible, json, onOff } from './arguments.ts';

const kib = 1024;
const mib = 1024 * kib;

/**
 * Rounded up to a whole MiB as libvirt does: QEMU rounds -m up to 8 KiB on its own and then refuses a backend of
 * another size. Throws INVALID_XML when a file system device could not see the memory.
 */
export function memoryArguments(domain: Domain): string[] {
  const size = Math.ceil(domain.memoryBytes / mib) * mib;
  const object = { ...backend(domain), size };
  const lock = onOff(domain.memoryBacking.locked);
  return ['-m', `size=${size / kib}k`, ...json('-object', object), '-overcommit', `mem-lock=${lock}`];
}

/** `share` is always said: memfd shares by default and ram does not. */
function backend({ memoryBacking: backing, filesystems }: Domain): object {
  const share = backing.access === 'shared';
  if (filesystems.length > 0 && !share) {
    throw impossible(
      'virtiofs requires shared memory',
      "add <source type='memfd'/><access mode='shared'/> to <memoryBacking>",
    );
  }
  const descriptor = backing.source === 'memfd' || backing.hugepages !== null || filesystems.length > 0;
  const kind = descriptor ? 'memory-backend-memfd' : 'memory-backend-ram';
  return { 'qom-type': kind, id: 'pc.ram', ...hugePages(backing), share, ...preallocation(backing) };
}

/** A memfd of huge pages needs no hugetlbfs mount and leaves no file behind. */
function hugePages({ hugepages }: MemoryBacking): object {
  return hugepages === null ? {} : { hugetlb: true, ...given('hugetlbsize', hugepages.pageBytes) };
}

/** Huge pages are always taken at start: a fault that finds none left would kill the guest. */
function preallocation({ allocation, allocationThreads, hugepages }: MemoryBacking): object {
  if (allocation === 'ondemand' && hugepages === null) return {};
  return { prealloc: true, ...given('prealloc-threads', allocationThreads) };
}
