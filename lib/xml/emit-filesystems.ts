/** Shared directories -> XML. */
import type { Filesystem } from '../domain/devices.ts';
import type { Plan9 } from '../domain/filesystems.ts';
import { addressTag } from './addresses.ts';
import { bootTag } from './emit-disks.ts';
import { mark, onOff, tag, type Tag } from './serialize.ts';
import { virtioAttributes } from './virtio-driver.ts';

/** `<filesystem>`. */
export function filesystem(one: Filesystem): Tag {
  const { plan9 } = one;
  const model = one.model === 'virtio' ? null : one.model;
  return tag('filesystem', { type: 'mount', accessmode: plan9?.accessMode ?? 'passthrough', model, ...modes(plan9) }, [
    driver(one),
    binary(one),
    tag('source', { dir: one.source }),
    tag('target', { dir: one.target }),
    mark('readonly', one.readonly),
    bootTag(one.bootOrder),
    addressTag(one.address),
  ]);
}

function modes(plan9: Plan9 | null): Record<string, string | null> {
  if (plan9 === null) return {};
  return { multidevs: plan9.severalDevices, fmode: plan9.fileMode, dmode: plan9.directoryMode };
}

function driver({ plan9, queueSize, virtio }: Filesystem): Tag {
  const wrpolicy = plan9?.writesAtOnce === true ? 'immediate' : null;
  const type = plan9 === null ? 'virtiofs' : 'path';
  return tag('driver', { type, wrpolicy, queue: queueSize, ...virtioAttributes(virtio) });
}

function binary({ binary: path, server }: Filesystem): Tag | null {
  const { xattr, cache, sandbox, threads } = server;
  const children = [
    cache === null ? null : tag('cache', { mode: cache }),
    sandbox === null ? null : tag('sandbox', { mode: sandbox }),
    threads === null ? null : tag('thread_pool', { size: threads }),
  ];
  const isEmpty = path === null && xattr === null && children.every((each) => each === null);
  return isEmpty ? null : tag('binary', { path, xattr: onOff(xattr) }, children);
}
