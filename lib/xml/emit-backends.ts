/** What a character device is on the host -> XML. */
import type { Backend, BackendLog } from '../domain/devices.ts';
import { onOff, tag, yesNo, type Tag } from './serialize.ts';

/** `<source>` and what else says where a line ends; the type is the device's own attribute. */
export function source(backend: Backend): Tag[] {
  switch (backend.type) {
    case 'file':
      return [tag('source', { path: backend.path, append: onOff(backend.append) })];
    case 'dev':
    case 'pipe':
      return [tag('source', { path: backend.path })];
    case 'unix':
      return [tag('source', { mode: backend.mode, path: backend.path }, [reconnect(backend.reconnectSeconds)])];
    case 'tcp':
      return tcp(backend);
    case 'udp':
      return udp(backend);
    case 'spiceport':
    case 'dbus':
      return [tag('source', { channel: backend.channel })];
    case 'qemu-vdagent':
      return [agent(backend)];
    default:
      return [];
  }
}

type Of<Type extends Backend['type']> = Extract<Backend, { type: Type }>;

function tcp({ mode, host, port: service, telnet, reconnectSeconds }: Of<'tcp'>): Tag[] {
  return [
    tag('source', { mode, host, service }, [reconnect(reconnectSeconds)]),
    tag('protocol', { type: telnet ? 'telnet' : 'raw' }),
  ];
}

function reconnect(timeout: number | null): Tag | null {
  return timeout === null ? null : tag('reconnect', { enabled: 'yes', timeout });
}

function udp({ host, port, bindHost, bindPort }: Of<'udp'>): Tag[] {
  const isBound = bindHost !== null || bindPort !== null;
  const bound = isBound ? [tag('source', { mode: 'bind', host: bindHost, service: bindPort })] : [];
  return [...bound, tag('source', { mode: 'connect', host, service: port })];
}

function agent({ copyPaste, mouse }: Of<'qemu-vdagent'>): Tag {
  return tag('source', {}, [
    copyPaste === null ? null : tag('clipboard', { copypaste: yesNo(copyPaste) }),
    mouse === null ? null : tag('mouse', { mode: mouse }),
  ]);
}

/** `<log>`; null: none. */
export function logTag(log: BackendLog | null): Tag | null {
  return log === null ? null : tag('log', { file: log.path, append: onOff(log.append) });
}
