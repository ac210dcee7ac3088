/** XML -> where the data of a disk is, and what is behind it. */
import type { BackingChain, BackingImage, DiskSource, NetworkHost, NetworkSource } from '../domain/disk-source.ts';
import { find, has, need, valueAt, type Known } from './known.ts';

/** A disk, or what is behind one: their lines are the same. */
type SourceKey = '/domain/devices/disk' | '/domain/devices/disk/backingStore';

/** `<source>` of the element at `key`; null for none. */
export function readSource(element: Known, key: SourceKey): DiskSource | null {
  const file = valueAt(element, `${key}/source/@file`);
  if (file !== undefined) return { type: 'file', path: file };
  const node = valueAt(element, `${key}/source/@dev`);
  if (node !== undefined) return { type: 'block', path: node };
  const directory = key === '/domain/devices/disk' ? valueAt(element, `${key}/source/@dir`) : undefined;
  if (directory !== undefined) return { type: 'dir', path: directory };
  return valueAt(element, `${key}/source/@protocol`) === undefined ? null : readNetwork(element, key);
}

function readNetwork(element: Known, key: SourceKey): NetworkSource {
  const source = find(element, `${key}/source`);
  return {
    type: 'network',
    protocol: need(element, `${key}/source/@protocol`),
    name: valueAt(element, `${key}/source/@name`) ?? null,
    hosts: (source?.children ?? []).filter((one) => one.key === `${key}/source/host`).map((one) => readHost(one, key)),
    ...readOptions(element, key),
    ...readIdentity(element, key),
  };
}

function readOptions(element: Known, key: SourceKey) {
  return {
    query: valueAt(element, `${key}/source/@query`) ?? null,
    verifiesServer: valueAt(element, `${key}/source/ssl/@verify`) ?? null,
    readaheadBytes: valueAt(element, `${key}/source/readahead/@size`) ?? null,
    timeoutSeconds: valueAt(element, `${key}/source/timeout/@seconds`) ?? null,
  };
}

function readIdentity(element: Known, key: SourceKey) {
  return {
    initiator: valueAt(element, `${key}/source/initiator/iqn/@name`) ?? null,
    snapshot: valueAt(element, `${key}/source/snapshot/@name`) ?? null,
    config: valueAt(element, `${key}/source/config/@file`) ?? null,
    user: valueAt(element, `${key}/source/identity/@user`) ?? null,
    group: valueAt(element, `${key}/source/identity/@group`) ?? null,
  };
}

/** One that says neither a name nor a socket is refused by the rules. */
function readHost(host: Known, key: SourceKey): NetworkHost {
  const socket = valueAt(host, `${key}/source/host/@socket`);
  if (valueAt(host, `${key}/source/host/@transport`) === 'unix' || socket !== undefined)
    return { transport: 'unix', socket: socket ?? '' };
  const port = valueAt(host, `${key}/source/host/@port`) ?? null;
  return { transport: 'tcp', name: valueAt(host, `${key}/source/host/@name`) ?? '', port };
}

/** `<backingStore>`; an empty one says that nothing is behind. null: it is not told. */
export function readBacking(disk: Known): BackingChain | null {
  const key = '/domain/devices/disk/backingStore';
  if (!has(disk, key)) return null;
  const images: BackingImage[] = [];
  let next = nested(disk);
  while (next !== undefined) {
    const source = readSource(next, key);
    if (source === null) return { images, ends: true };
    images.push({ source, format: valueAt(next, `${key}/format/@type`) ?? 'raw' });
    next = nested(next);
  }
  return { images, ends: false };
}

function nested(element: Known): Known | undefined {
  return element.children.find((one) => one.key === '/domain/devices/disk/backingStore');
}
