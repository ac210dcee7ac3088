/** How a network card handles packets, and what is behind it -> XML. */
import type { Interface } from '../domain/devices.ts';
import type { CardSocket } from '../domain/network.ts';
import { onOff, tag, type Tag } from './serialize.ts';
import { virtioAttributes } from './virtio-driver.ts';

/** `<driver>`; null where it says nothing. */
export function driver({ backend: name, queues, driver: settings, virtio }: Interface): Tag | null {
  const attributes = {
    name,
    txmode: settings.txMode,
    ioeventfd: onOff(settings.ioeventfd),
    event_idx: onOff(settings.eventIdx),
    queues,
    rx_queue_size: settings.rxQueueSize,
    tx_queue_size: settings.txQueueSize,
    rss: onOff(settings.rss),
    rss_hash_report: onOff(settings.rssHashReport),
    ...virtioAttributes(virtio),
  };
  const children = [offloads('host', settings.host), offloads('guest', settings.guest)];
  const isEmpty = [...Object.values(attributes), ...children].every((each) => each === null);
  return isEmpty ? null : tag('driver', attributes, children);
}

function offloads(name: 'host' | 'guest', words: Readonly<Record<string, boolean>>): Tag | null {
  const told = Object.entries(words).map(([word, value]) => [word, onOff(value)]);
  return told.length === 0 ? null : tag(name, Object.fromEntries(told) as Record<string, string>);
}

/** `<source>`; null for types that have none. */
export function source({ bridge, socket, vhostUserSocket }: Interface): Tag | null {
  if (bridge !== null) return tag('source', { bridge });
  if (vhostUserSocket !== null) return tag('source', { type: 'unix', path: vhostUserSocket, mode: 'client' });
  return socket === null ? null : socketTag(socket);
}

function socketTag({ address, port, local }: CardSocket): Tag {
  return tag('source', { address, port }, [local === null ? null : tag('local', { ...local })]);
}
