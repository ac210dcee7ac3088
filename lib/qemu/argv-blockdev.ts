/** The block nodes below a disk. Pure. Owns how caching, discarding and locking are said to QEMU's block layer. */
import type { Disk, DiskDriver } from '../domain/devices.ts';
import type { DiskSource } from '../domain/disk-source.ts';
import { locking, sourceNode } from './argv-sources.ts';
import { given } from './arguments.ts';

/** Nodes, deepest first, and the name of the one that is used; none for an empty drive. */
interface Nodes {
  readonly nodes: readonly object[];
  readonly top: string | null;
}

/** How many numbers the nodes of a disk take: one for each image. */
export function imageCount({ backing }: Disk): number {
  return 1 + (backing?.images.length ?? 0);
}

/** Nodes of a disk, those of its own image named `libvirt-NUMBER-..`, those behind it with the numbers above. */
export function nodesOf(disk: Disk, number: number): Nodes {
  const { source, format, backing, driver } = disk;
  if (source === null) return { nodes: [], top: null };
  const images: readonly Image[] = [{ source, format }, ...(backing?.images ?? [])];
  // The deepest first: each names the one behind it.
  const chain = images.reduceRight<Nodes>(
    (below, image, index) => append(below, imageNodes(disk, image, { depth: index, number, below: below.top })),
    { nodes: [], top: null },
  );
  if (driver.copyOnRead !== true) return chain;
  const copying = `libvirt-CoR-${disk.target}`;
  const filter = { driver: 'copy-on-read', 'node-name': copying, file: chain.top, discard: 'unmap' };
  return append(chain, { nodes: [filter], top: copying });
}

interface Image {
  readonly source: DiskSource;
  readonly format: Disk['format'];
}

interface Layer {
  /** 0: the disk's own image. */
  readonly depth: number;
  readonly number: number;
  /** Node behind it. */
  readonly below: string | null;
}

function append(below: Nodes, { nodes, top }: Nodes): Nodes {
  return { nodes: [...below.nodes, ...nodes], top };
}

function imageNodes(disk: Disk, { source, format }: Image, layer: Layer): Nodes {
  const name = `libvirt-${layer.number + layer.depth}`;
  const access = { 'read-only': layer.depth > 0 || disk.readonly || disk.device === 'cdrom' };
  const rules = { ...(layer.depth === 0 ? discarding(disk.driver) : discard(disk.driver)), ...caching(disk.driver) };
  const storage = {
    ...sourceNode(source, disk.driver.io, disk.device === 'floppy'),
    'node-name': `${name}-storage`,
    ...locking(source),
  };
  if (format === 'raw') return { nodes: [{ ...storage, ...access, ...rules }], top: `${name}-storage` };
  const below = { ...storage, 'auto-read-only': true, discard: 'unmap', ...caching(disk.driver) };
  const own = { 'node-name': `${name}-format`, ...access, ...rules, ...formatOptions(disk, format, layer) };
  return { nodes: [below, { ...own, file: `${name}-storage` }], top: `${name}-format` };
}

/** A directory is read through a raw node, which keeps it from being written to. What is not told is left to the image. */
function formatOptions({ driver, backing }: Disk, format: Disk['format'], { depth, below }: Layer): object {
  if (format !== 'qcow2') return { driver: 'raw' };
  const isLast = depth === (backing?.images.length ?? 0);
  const behind = below !== null ? { backing: below } : isLast && backing?.ends === true ? { backing: null } : {};
  return { driver: format, ...given('discard-no-unref', depth === 0 ? driver.discardNoUnref : null), ...behind };
}

function discard({ discard: word }: DiskDriver): object {
  return given('discard', word);
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
