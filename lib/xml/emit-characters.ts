/** Serial and parallel ports, consoles and channels -> XML. */
import type { Channel, Console, Parallel, Serial } from '../domain/devices.ts';
import { addressTag } from './addresses.ts';
import { logTag, source } from './emit-backends.ts';
import { tag, type Tag } from './serialize.ts';

/** `<serial>`. */
export function serial({ model, backend, log, port, address }: Serial): Tag {
  const type = model === 'isa-debugcon' ? 'isa-debug' : model;
  const target = tag('target', { type, port }, [tag('model', { name: model })]);
  return tag('serial', { type: backend.type }, [...source(backend), logTag(log), target, addressTag(address)]);
}

/** `<parallel>`. */
export function parallel({ backend, log, port, address }: Parallel): Tag {
  const parts = [...source(backend), logTag(log), tag('target', { port }), addressTag(address)];
  return tag('parallel', { type: backend.type }, parts);
}

/** `<console>`. */
export function console({ kind, backend, log, port, address }: Console): Tag {
  const target = tag('target', { type: kind, port });
  return tag('console', { type: backend.type }, [...source(backend), logTag(log), target, addressTag(address)]);
}

/** `<channel>`. */
export function channel({ backend, log, name, forward, address }: Channel): Tag {
  const target =
    forward === null ? tag('target', { type: 'virtio', name }) : tag('target', { type: 'guestfwd', ...forward });
  return tag('channel', { type: backend.type }, [...source(backend), logTag(log), target, addressTag(address)]);
}
