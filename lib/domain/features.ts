/** What a hypervisor tells its guest about itself, and hides from it. Pure data. */

/** Switches of Hyper-V's that are on or off and nothing more, by libvirt's names. */
export const hypervSwitches = [
  'relaxed',
  'vapic',
  'vpindex',
  'runtime',
  'synic',
  'reset',
  'frequencies',
  'reenlightenment',
  'ipi',
  'evmcs',
  'avic',
  'emsr_bitmap',
  'xmm_input',
] as const;

type HypervSwitch = (typeof hypervSwitches)[number];

/** Hyper-V's enlightenments; null: not told of. */
export interface Hyperv {
  /** All that the host's kernel has. */
  readonly passthrough: boolean;
  readonly switches: readonly { readonly name: HypervSwitch; readonly on: boolean }[];
  /** How often a lock is tried before the guest tells; null with `on` false. */
  readonly spinlocks: { readonly on: boolean; readonly retries: number | null } | null;
  readonly stimer: { readonly on: boolean; readonly direct: boolean | null } | null;
  readonly vendor: { readonly on: boolean; readonly id: string | null } | null;
  readonly tlbflush: {
    readonly on: boolean;
    readonly direct: boolean | null;
    readonly extended: boolean | null;
  } | null;
}

/** What KVM tells its guests; null: QEMU's default. */
export interface KvmFeatures {
  readonly hidden: boolean | null;
  readonly hintDedicated: boolean | null;
  readonly pollControl: boolean | null;
  readonly pvIpi: boolean | null;
  /** `size`: entries of each vCPU's ring of dirty pages; null with `on` false. */
  readonly dirtyRing: { readonly on: boolean; readonly size: number | null } | null;
}

/** More of `<features>`; null: QEMU's default. */
export interface ChipFeatures {
  /** End of interrupt by memory, `<apic eoi>`. */
  readonly apicEoi: boolean | null;
  readonly pvSpinlock: boolean | null;
  readonly pmu: boolean | null;
  readonly vmcoreinfo: boolean | null;
  /** Who is the I/O APIC. */
  readonly ioapic: 'kvm' | 'qemu' | null;
  /** Bytes of memory for system management mode. */
  readonly tsegBytes: number | null;
  readonly hyperv: Hyperv | null;
  readonly kvm: KvmFeatures | null;
}
