/** Guest memory as QEMU's arguments. Pure. Owns which backend holds it. */
import type { Domain, MemoryBacking } from '../domain/definition.ts';
import { type HugePages, pagesOf } from '../domain/huge-pages.ts';
import { type NumaCell, placementOf } from '../domain/numa.ts';
import { given, impossible, json, onOff } from './arguments.ts';

const kib = 1024;
const mib = 1024 * kib;

/**
 * Rounded up to a whole MiB as libvirt does: QEMU rounds -m up to 8 KiB on its own and then refuses a backend of
 * another size. Throws INVALID_XML when a file system device could not see the memory.
 */
export function memoryArguments(domain: Domain): string[] {
  const cells = domain.cpu?.numa ?? [];
  const parts = cells.length === 0 ? [domain.memoryBytes] : cells.map(({ memoryBytes }) => memoryBytes);
  const size = parts.reduce((sum, bytes) => sum + wholeMib(bytes), 0);
  const whole = { id: 'pc.ram', bytes: domain.memoryBytes, cell: null };
  const object = cells.length === 0 ? json('-object', memoryBackend(domain, whole)) : [];
  const lock = onOff(domain.memoryBacking.locked);
  return ['-m', `size=${size / kib}k${room(domain)}`, ...object, '-overcommit', `mem-lock=${lock}`];
}

/** Slots, and how far they go. */
function room({ maxMemory }: Domain): string {
  if (maxMemory === null) return '';
  const slots = maxMemory.slots === 0 ? '' : `,slots=${maxMemory.slots}`;
  return `${slots},maxmem=${wholeMib(maxMemory.bytes) / kib}k`;
}

/** Some memory of a guest; `cell` null: of a guest without nodes. */
interface MemoryPart {
  readonly id: string;
  readonly bytes: number;
  readonly cell: Pick<NumaCell, 'id' | 'access' | 'discard'> | null;
  /** Of huge pages of its own; null or absent: those of its node. */
  readonly pageBytes?: number | null;
  /** Nodes of the host of its own; null or absent: those of its node. */
  readonly nodes?: readonly number[] | null;
}

/** What holds it, for -object. `share` is always said: memfd shares by default and ram does not. */
export function memoryBackend(domain: Domain, part: MemoryPart): object {
  const { id, bytes, cell } = part;
  const { memoryBacking: backing } = domain;
  const share = (cell?.access ?? backing.access) === 'shared';
  const isSeen = isSeenByOthers(domain);
  if (isSeen) requireShared(share);
  const pages = ownPages(part) ?? pagesOf(backing, cell?.id ?? 0);
  const descriptor = backing.source !== 'anonymous' || pages !== null || isSeen;
  const kind = descriptor ? 'memory-backend-memfd' : 'memory-backend-ram';
  const size = wholeMib(bytes);
  return {
    'qom-type': kind,
    id,
    ...hugePages(pages),
    share,
    ...preallocation(backing, pages),
    size,
    ...place(domain, part),
  };
}

/** Throws INVALID_XML: a program beside the hypervisor could not see the guest's memory. */
function requireShared(share: boolean): void {
  if (share) return;
  throw impossible(
    'virtiofs and vhostuser require shared memory',
    "add <source type='memfd'/><access mode='shared'/> to <memoryBacking>",
  );
}

function ownPages({ pageBytes }: MemoryPart): HugePages | null {
  return typeof pageBytes === 'number' ? { pageBytes } : null;
}

function wholeMib(bytes: number): number {
  return Math.ceil(bytes / mib) * mib;
}

/** Programs beside the hypervisor are given a descriptor of the memory. */
function isSeenByOthers({ filesystems, interfaces }: Domain): boolean {
  return filesystems.some(({ plan9 }) => plan9 === null) || interfaces.some(({ type }) => type === 'vhostuser');
}

/** A memfd of huge pages needs no hugetlbfs mount and leaves no file behind. */
function hugePages(hugepages: HugePages | null): object {
  return hugepages === null ? {} : { hugetlb: true, ...given('hugetlbsize', hugepages.pageBytes) };
}

/** Huge pages are always taken at start: a fault that finds none left would kill the guest. */
function preallocation({ allocation, allocationThreads }: MemoryBacking, hugepages: HugePages | null): object {
  if (allocation === 'ondemand' && hugepages === null) return {};
  return { prealloc: true, ...given('prealloc-threads', allocationThreads) };
}

const policies = { strict: 'bind', preferred: 'preferred', interleave: 'interleave' } as const;

/** Nodes of the host that the memory is taken from. */
function place({ numatune }: Domain, { cell, nodes }: MemoryPart): object {
  const placement = placementOf(numatune, cell?.id ?? null);
  const from = nodes ?? placement?.nodes ?? null;
  return from === null ? {} : { 'host-nodes': from, policy: policies[placement?.mode ?? 'strict'] };
}
