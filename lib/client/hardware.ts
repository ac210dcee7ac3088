/** The contract's devices of a domain, and what is asked of a live one; the rules are those of `contract.ts`. */

/** A disk as domblklist shows it. */
export interface BlockRow {
  readonly type: string;
  readonly device: string;
  /** Guest-side name, e.g. `vda`. */
  readonly target: string;
  /** null: an empty drive. */
  readonly source: string | null;
}

/** A network card as domiflist shows it. */
export interface InterfaceRow {
  /** Of the tap on the host; null: it has none, or is not running and leaves the name to the start. */
  readonly interface: string | null;
  readonly type: string;
  /** Bridge of the host; null: none. */
  readonly source: string | null;
  readonly model: string;
  readonly mac: string;
}

/** Neither flag: the guest that runs, else the definition. */
export interface MemoryRequestBody {
  /** Whole KiB. */
  readonly bytes: number;
  readonly live?: boolean | undefined;
  readonly config?: boolean | undefined;
}

/** What each has as its target from now on; null: it was left as it is. A guest follows in its own time. */
export interface MemoryAnswer {
  readonly name: string;
  readonly liveBytes: number | null;
  readonly configBytes: number | null;
}

/** One QMP command. */
export interface MonitorRequestBody {
  readonly command: string;
  readonly arguments?: Readonly<Record<string, unknown>> | undefined;
}

/** What the hypervisor returned, as it said it. */
export interface MonitorAnswer {
  readonly return: unknown;
}
