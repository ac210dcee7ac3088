/** Disks and shared directories -> XML. */
import type { Disk, Filesystem } from '../domain/devices.ts';
import { addressTag } from './addresses.ts';
import { mark, tag, texted, type Tag } from './serialize.ts';

/** `<disk>`; an empty drive is one of type file. */
export function disk(one: Disk): Tag {
  return tag('disk', { type: one.source?.type ?? 'file', device: one.device }, [
    driver(one),
    source(one),
    tag('target', { dev: one.target, bus: one.bus }),
    mark('readonly', one.readonly),
    mark('shareable', one.shareable),
    texted('serial', one.serial),
    bootTag(one.bootOrder),
    addressTag(one.address),
  ]);
}

function driver({ format, driver: settings }: Disk): Tag {
  return tag('driver', {
    name: 'qemu',
    type: format,
    cache: settings.cache,
    error_policy: settings.errorPolicy,
    rerror_policy: settings.readErrorPolicy,
    io: settings.io,
    discard: settings.discard,
    detect_zeroes: settings.detectZeroes,
    queues: settings.queues,
    iothread: settings.iothread,
  });
}

function source({ source: given }: Disk): Tag | null {
  return given === null ? null : tag('source', { [given.type === 'file' ? 'file' : 'dev']: given.path });
}

/** Place in the boot order; null for none. */
export function bootTag(order: number | null): Tag | null {
  return order === null ? null : tag('boot', { order });
}

/** `<filesystem>`. */
export function filesystem(one: Filesystem): Tag {
  return tag('filesystem', { type: 'mount', accessmode: 'passthrough' }, [
    tag('driver', { type: 'virtiofs', queue: one.queueSize }),
    one.binary === null ? null : tag('binary', { path: one.binary }),
    tag('source', { dir: one.source }),
    tag('target', { dir: one.target }),
    mark('readonly', one.readonly),
    addressTag(one.address),
  ]);
}
