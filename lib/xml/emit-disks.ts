/** Disks -> XML. */
import type { Disk } from '../domain/devices.ts';
import { addressTag } from './addresses.ts';
import { geometry, iotune, maker, mechanics } from './emit-disk-hardware.ts';
import { backingStore, source } from './emit-disk-sources.ts';
import { mark, onOff, tag, texted, type Tag } from './serialize.ts';
import { virtioAttributes } from './virtio-driver.ts';

/** `<disk>`; an empty drive is one of type file. */
export function disk(one: Disk): Tag {
  const { hardware } = one;
  const model = one.model === 'virtio' ? null : one.model;
  return tag('disk', { type: one.source?.type ?? 'file', device: one.device, model }, [
    driver(one),
    one.source === null ? null : source(one.source, { startupPolicy: one.startupPolicy }),
    backingStore(one.backing),
    ...geometry(hardware),
    tag('target', { dev: one.target, bus: one.bus, ...mechanics(hardware) }),
    iotune(one.throttle),
    mark('readonly', one.readonly),
    mark('shareable', one.shareable),
    texted('serial', one.serial),
    ...maker(hardware),
    bootTag(one.bootOrder),
    acpiTag(one.acpiIndex),
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

/** Place in the boot order; null for none. */
export function bootTag(order: number | null): Tag | null {
  return order === null ? null : tag('boot', { order });
}

/** How firmware names the device; null for none. */
export function acpiTag(index: number | null): Tag | null {
  return index === null ? null : tag('acpi', { index });
}
