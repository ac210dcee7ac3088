/** Disks and shared directories -> XML. */
import type { Disk, Filesystem } from '../domain/devices.ts';
import { addressTag } from './addresses.ts';
import { geometry, iotune, maker, mechanics } from './emit-disk-hardware.ts';
import { mark, onOff, tag, texted, type Tag } from './serialize.ts';
import { virtioAttributes } from './virtio-driver.ts';

/** `<disk>`; an empty drive is one of type file. */
export function disk(one: Disk): Tag {
  const { hardware } = one;
  const model = one.model === 'virtio' ? null : one.model;
  return tag('disk', { type: one.source?.type ?? 'file', device: one.device, model }, [
    driver(one),
    source(one),
    ...geometry(hardware),
    tag('target', { dev: one.target, bus: one.bus, ...mechanics(hardware) }),
    iotune(one.throttle),
    mark('readonly', one.readonly),
    mark('shareable', one.shareable),
    texted('serial', one.serial),
    ...maker(hardware),
    bootTag(one.bootOrder),
    addressTag(one.address),
  ]);
}

function driver({ format, driver: settings, virtio }: Disk): Tag {
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
    queue_size: settings.queueSize,
    ioeventfd: onOff(settings.ioeventfd),
    event_idx: onOff(settings.eventIdx),
    copy_on_read: onOff(settings.copyOnRead),
    discard_no_unref: onOff(settings.discardNoUnref),
    ...virtioAttributes(virtio),
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
