/** Serial ports, consoles and channels -> XML. */
import type { Backend, BackendLog, Channel, Console, Serial } from '../domain/devices.ts';
import { addressTag } from './addresses.ts';
import { onOff, tag, type Tag } from './serialize.ts';

/** `<serial>`. */
export function serial({ backend, log, port }: Serial): Tag {
  return tag('serial', { type: backend.type }, [
    ...ends(backend, log),
    tag('target', { type: 'isa-serial', port }, [tag('model', { name: 'isa-serial' })]),
  ]);
}

/** `<console>`. */
export function console({ kind, backend, log, port, address }: Console): Tag {
  const target = tag('target', { type: kind, port });
  return tag('console', { type: backend.type }, [...ends(backend, log), target, addressTag(address)]);
}

/** `<channel>`. */
export function channel({ backend, log, name, address }: Channel): Tag {
  const target = tag('target', { type: 'virtio', name });
  return tag('channel', { type: backend.type }, [...ends(backend, log), target, addressTag(address)]);
}

function ends(backend: Backend, log: BackendLog | null): (Tag | null)[] {
  return [...source(backend), log === null ? null : tag('log', { file: log.path, append: onOff(log.append) })];
}

function source(backend: Backend): Tag[] {
  switch (backend.type) {
    case 'pty':
    case 'null':
      return [];
    case 'file':
      return [tag('source', { path: backend.path, append: onOff(backend.append) })];
    case 'unix':
      return [tag('source', { mode: backend.mode, path: backend.path })];
    case 'tcp': {
      const { mode, host, port: service, telnet } = backend;
      return [tag('source', { mode, host, service }), tag('protocol', { type: telnet ? 'telnet' : 'raw' })];
    }
  }
}
