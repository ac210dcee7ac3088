/** Threads of the hypervisor that serve disks beside its own. Pure data; null: QEMU's default. */
export interface IoThread {
  /** From 1 on; disks and pins name it. */
  readonly id: number;
  readonly poolMin: number | null;
  readonly poolMax: number | null;
  /** How long it asks before it sleeps, in nanoseconds, and how that grows and shrinks. */
  readonly poll: { readonly maxNs: number | null; readonly grow: number | null; readonly shrink: number | null } | null;
}
