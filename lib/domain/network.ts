/** What a network card is, and what is behind it, beyond a tap. Pure data. */
import type { VirtioModel } from './virtio.ts';

/** Cards for a PCI slot, and the last one for USB, in libvirt's words, which but for virtio are QEMU's too. */
export const cardModels = [
  'virtio',
  'virtio-transitional',
  'virtio-non-transitional',
  'e1000',
  'e1000-82544gc',
  'e1000-82545em',
  'e1000e',
  'igb',
  'i82550',
  'i82551',
  'i82557b',
  'i82559er',
  'ne2k_pci',
  'pcnet',
  'rtl8139',
  'tulip',
  'vmxnet3',
  'usb-net',
] as const;

export type CardModel = (typeof cardModels)[number];

/** Whether the guest drives it by virtio. */
export function isVirtio(model: CardModel): model is VirtioModel {
  return model.startsWith('virtio');
}

/** Whether it is plugged into a USB port. */
export function isUsbCard(model: CardModel): boolean {
  return model === 'usb-net';
}

/** Work that is left to the host, or to the guest, instead of being done for every packet. */
export const hostOffloads = ['csum', 'gso', 'tso4', 'tso6', 'ecn', 'ufo', 'mrg_rxbuf'] as const;
export const guestOffloads = ['csum', 'tso4', 'tso6', 'ecn', 'ufo'] as const;

/** How a virtio card handles packets; null and absent: QEMU's default. */
export interface CardDriver {
  readonly rxQueueSize: number | null;
  readonly txQueueSize: number | null;
  /** When packets are sent: soon, in another thread, or by a timer, several at once. */
  readonly txMode: 'iothread' | 'timer' | null;
  readonly ioeventfd: boolean | null;
  readonly eventIdx: boolean | null;
  /** Whether QEMU spreads packets over queues by their hash, and tells it. */
  readonly rss: boolean | null;
  readonly rssHashReport: boolean | null;
  readonly host: Offloads<(typeof hostOffloads)[number]>;
  readonly guest: Offloads<(typeof guestOffloads)[number]>;
}

type Offloads<Word extends string> = Partial<Readonly<Record<Word, boolean>>>;

/** Nothing said. */
export const plainCardDriver: CardDriver = {
  rxQueueSize: null,
  txQueueSize: null,
  txMode: null,
  ioeventfd: null,
  eventIdx: null,
  rss: null,
  rssHashReport: null,
  host: {},
  guest: {},
};

/** A network of hypervisors without bridges: `host` and `port` are where to listen, connect or send to. */
export interface CardSocket {
  /** null, of a listener only: every address. */
  readonly address: string | null;
  readonly port: number;
  /** Of type udp: where to listen. */
  readonly local: { readonly address: string; readonly port: number } | null;
}

/** Whether a card of this type has a tap of the host. */
export function hasTap({ type }: { readonly type: CardType }): boolean {
  return type === 'bridge' || type === 'ethernet';
}

/**
 * `user`: QEMU's own NAT. `bridge`: a tap of ours in a bridge of the host. `ethernet`: a tap and nothing more. `server`,
 * `client`, `mcast`, `udp`: a socket to other hypervisors. `vhostuser`: another program's network, through shared memory.
 */
export type CardType = 'user' | 'bridge' | 'ethernet' | 'server' | 'client' | 'mcast' | 'udp' | 'vhostuser';
