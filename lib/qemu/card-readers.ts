/** Readers of smart cards. Pure. Owns which are implied. */
import type { Domain } from '../domain/definition.ts';
import type { Controller } from '../domain/devices.ts';
import type { Smartcard } from '../domain/redirection.ts';

/** A reader on USB; `device` is what its place is asked for by. */
export interface CardReader {
  readonly index: number;
  /** One of the definition's, or the first card in a reader that it has not. */
  readonly device: Controller | Smartcard;
}

/** Those of the definition, then one for each other number that a card names. */
export function cardReaders({ controllers, smartcards }: Domain): CardReader[] {
  const readers: CardReader[] = controllers
    .filter(({ type }) => type === 'ccid')
    .map((device) => ({ index: device.index, device }));
  for (const device of smartcards) {
    const index = readerOf(device);
    if (!readers.some((one) => one.index === index)) readers.push({ index, device });
  }
  return readers;
}

/** Number of the reader a card is in. */
export function readerOf({ address }: Smartcard): number {
  return address?.type === 'ccid' ? address.controller : 0;
}
