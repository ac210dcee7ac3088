/** XML -> what a character device is on the host. */
import type { Backend, BackendLog } from '../domain/devices.ts';
import { findAll, has, need, valueAt, type Known } from './known.ts';

/** Devices with a character device behind them. */
type BackendKey = `/domain/devices/${'serial' | 'parallel' | 'console' | 'channel' | 'redirdev' | 'smartcard'}`;

type Of<Type extends Backend['type']> = Extract<Backend, { type: Type }>;

/** What is behind `device`. */
export function readBackend(device: Known, key: BackendKey): Backend {
  const type = need(device, `${key}/@type`);
  switch (type) {
    case 'file':
      return {
        type,
        path: need(device, `${key}[file]/source/@path`),
        append: valueAt(device, `${key}/source/@append`) ?? null,
      };
    case 'dev':
      return { type, path: need(device, `${key}[dev]/source/@path`) };
    case 'pipe':
      return { type, path: need(device, `${key}[pipe]/source/@path`) };
    case 'unix':
      return readUnix(device, key);
    case 'tcp':
      return readTcp(device, key);
    case 'udp':
      return readUdp(device, key);
    case 'spiceport':
    case 'dbus':
      return { type, channel: need(device, `${key}/source/@channel`) };
    case 'qemu-vdagent':
      return readAgent(device, key);
    default:
      return { type };
  }
}

function readUnix(device: Known, key: BackendKey): Of<'unix'> {
  return {
    type: 'unix',
    mode: valueAt(device, `${key}/source/@mode`) ?? 'bind',
    path: valueAt(device, `${key}[unix]/source/@path`) ?? null,
    reconnectSeconds: readReconnect(device, key),
  };
}

function readTcp(device: Known, key: BackendKey): Of<'tcp'> {
  return {
    type: 'tcp',
    mode: need(device, `${key}/source/@mode`),
    host: need(device, `${key}/source/@host`),
    port: need(device, `${key}/source/@service`),
    telnet: valueAt(device, `${key}/protocol/@type`) === 'telnet',
    reconnectSeconds: readReconnect(device, key),
  };
}

/** 0, which the rules refuse, where it is not told how soon. */
function readReconnect(device: Known, key: BackendKey): number | null {
  if (valueAt(device, `${key}/source/reconnect/@enabled`) !== true) return null;
  return valueAt(device, `${key}/source/reconnect/@timeout`) ?? 0;
}

/** A port that is not given is 0 until the rules refuse it. */
function readUdp(device: Known, key: BackendKey): Of<'udp'> {
  const sources = findAll(device, key, `${key}/source`);
  const of = (mode: 'bind' | 'connect'): Known | undefined =>
    sources.find((source) => valueAt(source, `${key}/source/@mode`) === mode);
  const [to, from] = [of('connect'), of('bind')];
  return {
    type: 'udp',
    host: to === undefined ? null : (valueAt(to, `${key}/source/@host`) ?? null),
    port: to === undefined ? 0 : (valueAt(to, `${key}/source/@service`) ?? 0),
    bindHost: from === undefined ? null : (valueAt(from, `${key}/source/@host`) ?? null),
    bindPort: from === undefined ? null : (valueAt(from, `${key}/source/@service`) ?? null),
  };
}

function readAgent(device: Known, key: BackendKey): Of<'qemu-vdagent'> {
  return {
    type: 'qemu-vdagent',
    copyPaste: valueAt(device, `${key}/source/clipboard/@copypaste`) ?? null,
    mouse: valueAt(device, `${key}/source/mouse/@mode`) ?? null,
  };
}

type LogKey = Exclude<BackendKey, '/domain/devices/redirdev' | '/domain/devices/smartcard'>;

/** Where all that is said is written too. */
export function readLog(device: Known, key: LogKey): BackendLog | null {
  if (!has(device, `${key}/log`)) return null;
  return { path: need(device, `${key}/log/@file`), append: valueAt(device, `${key}/log/@append`) ?? null };
}
