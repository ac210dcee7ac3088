/** What a network card is told of itself, and the socket behind it, as QEMU's arguments. Pure. */
import type { Interface } from '../domain/devices.ts';
import { type CardDriver, type CardSocket, type CardType, isVirtio } from '../domain/network.ts';
import { virtioDriver, virtioProperties } from './argv-virtio.ts';
import { given, impossible } from './arguments.ts';

/** Driver and, of a virtio card, all it is told. */
export function cardProperties(nic: Interface): { readonly driver: string } {
  const { model, virtio, driver, mtu } = nic;
  if (!isVirtio(model)) return { driver: model };
  return {
    driver: virtioDriver('virtio-net-pci', model),
    ...virtioProperties(virtio),
    ...queueProperties(nic),
    ...packetProperties(driver),
    ...given('host_mtu', mtu),
  };
}

/** A queue takes two interrupt vectors; one is for configuration, one for control. */
function queueProperties({ queues, driver }: Interface): object {
  const several = queues !== null && queues > 1 ? { mq: true, vectors: 2 * queues + 2 } : {};
  return { ...several, ...given('rx_queue_size', driver.rxQueueSize), ...given('tx_queue_size', driver.txQueueSize) };
}

const sendWords = { iothread: 'bh', timer: 'timer' } as const;

function packetProperties({ txMode, ioeventfd, eventIdx, rss, rssHashReport, host, guest }: CardDriver): object {
  return {
    ...given('tx', txMode && sendWords[txMode]),
    ...given('ioeventfd', ioeventfd),
    ...given('event_idx', eventIdx),
    ...given('rss', rss),
    ...given('hash', rssHashReport),
    ...prefixed(host, (word) => (hostPlain.has(word) ? word : `host_${word}`)),
    ...prefixed(guest, (word) => `guest_${word}`),
  };
}

/** Words that QEMU has without a prefix. */
const hostPlain: ReadonlySet<string> = new Set(['csum', 'gso', 'mrg_rxbuf']);

function prefixed(offloads: Readonly<Record<string, boolean>>, name: (word: string) => string): object {
  return Object.fromEntries(Object.entries(offloads).map(([word, value]) => [name(word), value]));
}

const verbs: Partial<Record<CardType, string>> = { server: 'listen', client: 'connect', mcast: 'mcast', udp: 'udp' };

/** Where to listen, connect or send to: QEMU's own `host:port`, which has no form for IPv6. */
export function socketProperties(type: CardType, { address, port, local }: CardSocket): object {
  const verb = verbs[type];
  if (verb === undefined) throw new Error(`a card of type ${type} is no socket`);
  const from = local === null ? {} : { localaddr: place(local.address, local.port) };
  return { [verb]: place(address ?? '', port), ...from };
}

function place(address: string, port: number): string {
  if (address.includes(':')) {
    throw impossible(`<source address='${address}'>: not an IPv4 address`, 'sockets of network cards are IPv4 only');
  }
  return `${address}:${port}`;
}
