/** Devices of the viewer's, or of the host, that a guest gets through USB. Pure data. */
import type { Address, Backend } from './devices.ts';

/** More ports for USB devices. */
export interface Hub {
  readonly address: Address | null;
}

/** A USB device of whoever is at the other end. */
export interface Redirdev {
  readonly backend: Backend;
  /** Place in the boot order, from 1; null: none. */
  readonly bootOrder: number | null;
  readonly address: Address | null;
}

/** Which USB devices may be redirected: the first that fits decides; null fits all. */
export interface RedirRule {
  readonly class: number | null;
  readonly vendor: number | null;
  readonly product: number | null;
  /** Of the device, as `1.10`. */
  readonly version: string | null;
  readonly allow: boolean;
}

/**
 * A smart card: the host's own reader, three certificates by their names in a database of NSS (a directory; null: libvirt's),
 * or one at the other end of a line.
 */
export type Smartcard = { readonly address: Address | null } & (
  | { readonly mode: 'host' }
  | { readonly mode: 'host-certificates'; readonly certificates: readonly string[]; readonly database: string | null }
  | { readonly mode: 'passthrough'; readonly backend: Backend }
);
