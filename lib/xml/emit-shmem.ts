/** Memory that guests share -> XML. */
import type { Shmem } from '../domain/shmem.ts';
import { addressTag } from './addresses.ts';
import { memory } from './emit-tuning.ts';
import { onOff, tag, type Tag } from './serialize.ts';

/** `<shmem>`. */
export function shmem(one: Shmem): Tag {
  const { name, role, model, address } = one;
  return tag('shmem', { name, role }, [tag('model', { type: model }), ...ownParts(one), addressTag(address)]);
}

function ownParts(one: Shmem): Tag[] {
  if (one.model === 'ivshmem-plain') return [memory('size', one.sizeBytes)];
  const { server: path, vectors, ioeventfd } = one;
  return [tag('server', { path }), tag('msi', { vectors, ioeventfd: onOff(ioeventfd) })];
}
