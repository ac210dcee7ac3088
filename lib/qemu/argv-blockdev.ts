/** The block nodes below a disk. Pure. Owns how caching, discarding and locking are said to QEMU's block layer. */
import type { Disk, DiskDriver } from '../domain/devices.ts';
import { given } from './arguments.ts';

/** Nodes of a disk, deepest first, and the name of the one its device uses; no node for an empty drive. */
export function nodesOf(disk: Disk, name: string): { readonly nodes: readonly object[]; readonly top: string | null } {
  if (disk.source === null) return { nodes: [], top: null };
  const { nodes, top } = imageNodes(disk, name);
  if (disk.driver.copyOnRead !== true) return { nodes, top };
  const copying = `libvirt-CoR-${disk.target}`;
  const filter = { driver: 'copy-on-read', 'node-name': copying, file: top, discard: 'unmap' };
  return { nodes: [...nodes, filter], top: copying };
}

function imageNodes(disk: Disk, name: string): { readonly nodes: readonly object[]; readonly top: string } {
  const access = { 'read-only': disk.readonly || disk.device === 'cdrom' };
  const rules = { ...discarding(disk.driver), ...caching(disk.driver) };
  const storage = storageNode(disk, `${name}-storage`);
  if (disk.format === 'raw') return { nodes: [{ ...storage, ...access, ...rules }], top: `${name}-storage` };
  const below = { ...storage, 'auto-read-only': true, discard: 'unmap', ...caching(disk.driver) };
  const format = { 'node-name': `${name}-format`, ...access, ...rules, ...formatOptions(disk) };
  return { nodes: [below, { ...format, file: `${name}-storage` }], top: `${name}-format` };
}

function formatOptions({ format, driver }: Disk): object {
  return { driver: format, ...given('discard-no-unref', driver.discardNoUnref) };
}

/** Locking is said, not left to `auto`, which goes without locks where the file system refuses them. */
function storageNode({ source, driver }: Disk, name: string): object {
  const kind = source?.type === 'block' ? 'host_device' : 'file';
  return { driver: kind, filename: source?.path, ...given('aio', driver.io), 'node-name': name, locking: 'on' };
}

/** Zeroes are only unmapped where discarding is allowed; elsewhere they are still written as zeroes. */
function discarding({ discard, detectZeroes }: DiskDriver): object {
  const zeroes = detectZeroes === 'unmap' && discard !== 'unmap' ? 'on' : detectZeroes;
  return { ...given('discard', discard), ...given('detect-zeroes', zeroes) };
}

const caches = {
  none: { direct: true, 'no-flush': false },
  writeback: { direct: false, 'no-flush': false },
  writethrough: { direct: false, 'no-flush': false },
  directsync: { direct: true, 'no-flush': false },
  unsafe: { direct: false, 'no-flush': true },
} as const;

/** Half of a cache mode; the other is `write-cache` of the device. */
function caching({ cache }: DiskDriver): object {
  return cache === null ? {} : { cache: caches[cache] };
}
