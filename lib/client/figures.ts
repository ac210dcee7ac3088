/** The contract's figures of the host and of domains, as nodeinfo and domstats show them; the rules are those of `contract.ts`. */
import type { HeldFields } from './contract.ts';

/** The host, as virsh's nodeinfo has it. */
export interface NodeAnswer {
  readonly cpuModel: string;
  readonly cpuName: string | null;
  readonly cpus: number;
  readonly cpuFrequencyMhz: number | null;
  readonly cpuFrequencyUnknown?: string;
  readonly sockets: number;
  readonly coresPerSocket: number;
  readonly threadsPerCore: number;
  readonly numaCells: number;
  readonly memoryBytes: number;
}

interface Traffic {
  readonly bytes: number;
  readonly packets: number;
  readonly errors: number;
  readonly dropped: number;
}

/** A network interface as the guest sees it: rx is what it received. */
export interface InterfaceStats {
  readonly name: string;
  readonly rx: Traffic | null;
  readonly tx: Traffic | null;
  readonly trafficUnknown?: string;
}

export interface BlockDeviceStats {
  /** Guest-side name, e.g. `vda`. */
  readonly name: string;
  readonly path: string;
  readonly rd: { readonly reqs: number; readonly bytes: number; readonly timeNs: number };
  readonly wr: { readonly reqs: number; readonly bytes: number; readonly timeNs: number };
  readonly fl: { readonly reqs: number; readonly timeNs: number };
  readonly allocationBytes: number;
  readonly capacityBytes: number | null;
}

export interface VcpuStats {
  readonly index: number;
  readonly timeUs: number | null;
  readonly timeUnknown?: string;
  /** Runnable and kept waiting by the host; null where the kernel does not tell. */
  readonly delayUs: number | null;
}

/** Figures of one domain. A part that is null without an `...Unknown` beside it is not there: the domain is off. */
export interface DomainStats {
  readonly name: string;
  readonly uuid: string;
  readonly id: number | null;
  /** `code` and `reasonCode` are libvirt's numbers (virDomainState); the word is ours, and says more. */
  readonly state: {
    readonly code: number;
    readonly reasonCode: number;
    readonly word: string;
    readonly reason: string;
  };
  /** Of the incarnation's cgroup: hypervisor, helper and companions. */
  readonly cpu: { readonly timeUs: number; readonly userUs: number; readonly systemUs: number } | null;
  readonly cpuUnknown?: string;
  readonly balloon: {
    readonly maximumBytes: number;
    readonly currentBytes: number | null;
    readonly currentUnknown?: string;
  };
  readonly vcpu: {
    readonly maximum: number;
    readonly each: readonly VcpuStats[] | null;
    readonly eachUnknown?: string;
  };
  /** Those with a tap of a known name. */
  readonly interfaces: readonly InterfaceStats[] | null;
  readonly blocks: readonly BlockDeviceStats[] | null;
  readonly blocksUnknown?: string;
  /** What domctl accounts for, all incarnations together. */
  readonly domctl: HeldFields & {
    readonly promisedBytes: number;
    readonly drainingBytes: number | null;
    /** Of the current incarnation: what it may hold while it is braked; null: it is not, or that is not known yet. */
    readonly limitBytes: number | null;
    /** Processor time of giving memory back: of the incarnation that ends now, or of the last one that did; null: of none yet. */
    readonly teardownUs: number | null;
    readonly teardownUnknown?: string;
    /** PSI memory `some avg10` of the cgroup, percent. */
    readonly pressurePercent: number | null;
    readonly pressureUnknown?: string;
  };
}
