/** XML -> how a network card handles packets, and the socket behind it. */
import { type CardDriver, type CardSocket, guestOffloads, hostOffloads } from '../domain/network.ts';
import { has, need, valueAt, type Known } from './known.ts';

const key = '/domain/devices/interface';

/** What `<driver>` says beside queues and back end. */
export function readCardDriver(card: Known): CardDriver {
  return {
    rxQueueSize: valueAt(card, `${key}/driver/@rx_queue_size`) ?? null,
    txQueueSize: valueAt(card, `${key}/driver/@tx_queue_size`) ?? null,
    txMode: valueAt(card, `${key}/driver/@txmode`) ?? null,
    ioeventfd: valueAt(card, `${key}/driver/@ioeventfd`) ?? null,
    eventIdx: valueAt(card, `${key}/driver/@event_idx`) ?? null,
    rss: valueAt(card, `${key}/driver/@rss`) ?? null,
    rssHashReport: valueAt(card, `${key}/driver/@rss_hash_report`) ?? null,
    host: told(hostOffloads, (word) => valueAt(card, `${key}/driver/host/@${word}`)),
    guest: told(guestOffloads, (word) => valueAt(card, `${key}/driver/guest/@${word}`)),
  };
}

function told<Word extends string>(words: readonly Word[], read: (word: Word) => boolean | undefined) {
  const all = words.map((word) => [word, read(word)] as const).filter(([, value]) => value !== undefined);
  return Object.fromEntries(all) as Partial<Record<Word, boolean>>;
}

/** Of the types that are a socket; null for the others. */
export function readSocket(card: Known): CardSocket | null {
  const port = valueAt(card, `${key}/source/@port`);
  if (port === undefined) return null;
  const isLocal = has(card, `${key}/source/local`);
  return {
    address: valueAt(card, `${key}/source/@address`) ?? null,
    port,
    local: isLocal
      ? { address: need(card, `${key}/source/local/@address`), port: need(card, `${key}/source/local/@port`) }
      : null,
  };
}
