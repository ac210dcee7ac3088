/** What a guest and its host have in common beside lines and directories. Pure data. */
import type { Address } from './devices.ts';
import type { VirtioModel, VirtioOptions } from './virtio.ts';

/** Sockets between guest and host. */
export interface Vsock {
  readonly model: VirtioModel;
  /** The guest's number, which no other guest of the host has; null: a free one is chosen at start. */
  readonly cid: number | null;
  readonly virtio: VirtioOptions;
  readonly address: Address | null;
}

/** Where a guest's kernel keeps what it has to say when it panics: a file of the host, behind ACPI's ERST. */
export interface Pstore {
  /** Made at the first start. */
  readonly path: string;
  /** Whole KiB. */
  readonly sizeBytes: number;
  readonly address: Address | null;
}

/** The least number of a guest: those below are the host's. */
export const firstGuestCid = 3;

/** One below the number that stands for any. */
export const lastGuestCid = 0xfffffffe;
