/** The two boards domctl knows by heart. Pure. Any other machine type is left to QEMU's own defaults. */

/** `pc` is i440FX with PIIX3, `q35` has ICH9 and PCI Express; `other` gets no address and no controller of ours. */
export type MachineFamily = 'pc' | 'q35' | 'other';

/** Family of a machine type by its name: `pc`, `pc-i440fx-7.2`, `pc-1.3`; `q35`, `pc-q35-10.0`. */
export function machineFamily(machine: string): MachineFamily {
  if (/^(pc-)?q35(-|$)/.test(machine)) return 'q35';
  return /^pc(-i440fx-|-\d|$)/.test(machine) ? 'pc' : 'other';
}
