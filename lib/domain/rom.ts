/** The memory of a card that firmware reads. Pure data. */

/** What a card brings for the firmware. */
export interface Rom {
  /** False: none at all, and nothing else is said of it. */
  readonly enabled: boolean;
  /** Whether the guest sees it in memory; null: QEMU's default. */
  readonly bar: boolean | null;
  /** Of the host, instead of the card's own; null: that. */
  readonly file: string | null;
}
