/**
 * What a policy and a host configuration are once they are read: plain values with their units in their names.
 * Owns: the shapes. Must not know: YAML, files or who decides by them.
 */

/** An amount of memory, said outright or as a share of a whole that is known only when it is used. */
export type Share =
  | { readonly kind: 'bytes'; readonly bytes: number }
  | { readonly kind: 'percent'; readonly percent: number };

/** The order in which a guest is asked to shut down: through its agent, or by the power button. */
export type ShutdownMode = 'agent' | 'acpi';

/** One policy, complete; every key and default is in `policies/README.md`. */
export interface Policy {
  readonly name: string;
  readonly description: string;
  readonly forceStart: {
    readonly allow: boolean;
    /** Of the promise of the domain that is to start. */
    readonly maxShortfall: Share;
    /** null: unlimited. */
    readonly maxDrainTimeMs: number | null;
    readonly maxPredecessors: number;
    readonly maxPressurePercent: number;
  };
  readonly brake: {
    /** Bytes, or left to domctl. */
    readonly margin: 'auto' | number;
    readonly onStall: 'keep' | 'kill-helper' | 'stop-new';
  };
  readonly start: {
    /** null: never gives up. */
    readonly queueTimeoutMs: number | null;
  };
  readonly shutdown: {
    readonly mode: readonly ShutdownMode[];
    /** null: never escalates. */
    readonly forceAfterMs: number | null;
  };
  readonly destroy: { readonly killAfterMs: number; readonly freedTimeoutMs: number };
  readonly teardown: {
    readonly helper: 'auto' | 'preload' | 'qemu' | 'none';
    readonly mode: 'fast' | 'gentle';
    readonly threads: 'auto' | number;
    /** Per second, in mode gentle only. */
    readonly gentleRateBytes: number;
    readonly minimumSizeBytes: number;
    readonly stalledAfterMs: number;
    readonly preferredOomVictim: boolean;
  };
  readonly postcopyPaused: 'freeze' | 'keep-running';
}

/** The one configuration of a host. Users are names; groups are `group:NAME`. */
export interface HostConfig {
  readonly defaultPolicy: string;
  readonly allowedPolicies: readonly string[];
  readonly capacity: {
    readonly overcommit: number;
    /** Of MemTotal; `resolveReserve` applies the floor. */
    readonly reserve: Share;
  };
  readonly overhead: {
    readonly fixedBytes: number;
    readonly perVcpuBytes: number;
    /** Of the guest's memory. */
    readonly memoryPercent: number;
  };
  readonly security: {
    readonly user: string;
    readonly allowRootHypervisor: boolean;
    readonly allowQemuCommandline: boolean;
    readonly control: readonly string[];
    /** Counts only for those who are in `control` as well. */
    readonly forceStart: readonly string[];
    readonly observe: 'everyone' | readonly string[];
  };
}

/** Where a value was said: its file's name and the 1-based line of its key, as in `balanced.yaml:8`. */
export interface Origin {
  readonly file: string;
  readonly line: number;
  /** The whole path, which tells an operator's file from a shipped one of the same name. */
  readonly path?: string;
}

/** A value with the origin of each of its keys, by dotted YAML path such as `forceStart.maxShortfall`. */
export interface Loaded<T> {
  readonly value: T;
  readonly origins: ReadonlyMap<string, Origin>;
  /** The same values as the files write them, e.g. `25%`, with what is inherited filled in. */
  readonly written: Readonly<Record<string, unknown>>;
}
