/**
 * One launch of a domain: its states, how it ended, what it was launched with. Pure data.
 *
 *   launching --> running <--> paused
 *       |            |            |
 *       |            +-> stopping +        (the guest said goodbye, the hypervisor has not gone yet)
 *       v                 v       v
 *       +--------------> exiting  <------  destroy, crash, kill, failed launch: every end comes through here
 *                           |
 *                           v               every exclusive resource proven free by a kernel probe
 *                        draining
 *                           |
 *                           v               memory proven gone, then the cgroup removed
 *                        released
 *
 *   any live state -> lost (facts unreadable) -> read again -> what the facts say
 *
 * draining and released are different types with different data on purpose: nothing may take one for the other.
 */
import type { Claim } from './claims.ts';
import type { Lifecycle } from './definition.ts';

/** A process is known by pid and start time (clock ticks since boot, /proc/PID/stat field 22), never by a pid alone. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: number;
}

/** A file without a name that holds guest memory; whoever has it open keeps the memory charged. */
export interface RamFile {
  /** As in /proc/PID/fd, e.g. `memory-backend-memfd`. */
  readonly name: string;
  readonly device: number;
  readonly inode: number;
}

/** What an incarnation was launched with; never changes, and is what teardown goes by whatever happens to definition or policy. */
export interface Launch {
  readonly id: number;
  readonly domain: string;
  readonly uuid: string;
  /** /proc/sys/kernel/random/boot_id: under another one no pid means anything. */
  readonly bootId: string;
  /** Path below the cgroup mount. */
  readonly cgroup: string;
  readonly memoryBytes: number;
  /** What it may grow to: memory plus overhead. */
  readonly promisedBytes: number;
  readonly vcpus: number;
  readonly claims: readonly Claim[];
  /** Files that are its hypervisor's user's until they are proven free. */
  readonly loans: readonly Loan[];
  readonly clocks: Clocks;
  readonly shutdown: ShutdownRule;
  /** Its guest is to stand still until somebody resumes it. */
  readonly startPaused: boolean;
  /** What follows each end of the guest, by its definition. */
  readonly lifecycle: Lifecycle;
  /** Where the guest's agent can be spoken to; null: the definition has no channel for it. */
  readonly agentSocket: string | null;
  /** Programs beside the hypervisor, in its cgroup. */
  readonly companions: readonly Companion[];
  /** What gives its memory back once the hypervisor has ended. */
  readonly helper: HelperKind;
  readonly emulator: string;
  readonly emulatorVersion: string;
  readonly policy: string;
  /** Domain XML it was launched from. */
  readonly xml: string;
  readonly requester: Requester;
  /** Present when it was force-started over draining memory. */
  readonly forced: ForcedStart | null;
  /** Present when it began with less than it was promised. */
  readonly brake: BrakeOrder | null;
}

/** A file that was made another's for as long as one incarnation has it. */
export interface Loan {
  /** Without links. */
  readonly path: string;
  readonly inode: number;
  /** Users by number. */
  readonly owner: number;
  readonly borrower: number;
}

/** How a force-start is held back while others give memory back; bytes. The policy's say is that of its launch. */
export interface BrakeOrder {
  /** Of the host when it was admitted, less what was set aside for starts queued before it: the bound stands on it until the brake is lifted. */
  readonly capacityBytes: number;
  /** What it began with. */
  readonly limitBytes: number;
  readonly margin: 'auto' | number;
  readonly onStall: 'keep' | 'kill-helper' | 'stop-new';
}

/** preload: our own, inside the hypervisor's sandbox; qemu: that of the emulator; none: the hypervisor's own exit. */
export type HelperKind = 'preload' | 'qemu' | 'none';

/** A program that a device of the guest needs; `kind` is also what /proc calls it. */
export interface Companion {
  readonly kind: 'swtpm' | 'virtiofsd';
  /** Name of its socket in the incarnation's runtime directory. */
  readonly socket: string;
}

export interface Clocks {
  readonly killAfterMs: number;
  readonly freedTimeoutMs: number;
  readonly stalledAfterMs: number;
}

/** How its guest is asked to shut down. */
export interface ShutdownRule {
  /** Ways to ask, in the order they are tried. */
  readonly modes: readonly AskMode[];
  /** null: never ended without being asked to. */
  readonly forceAfterMs: number | null;
}

/** agent: by the agent inside it; acpi: by its power button. */
export type AskMode = 'agent' | 'acpi';

/** Who asked, from the socket's peer credentials; null where the kernel does not tell. */
export interface Requester {
  readonly uid: number | null;
  readonly pid: number | null;
}

/** The arithmetic of an admitted force-start, in bytes. */
export interface ForcedStart {
  readonly overIncarnations: readonly number[];
  readonly heldDrainingBytes: number;
  readonly shortfallBytes: number;
  /** What the sum was made of, and what it began with under a brake (null: all of its promise). null: not recorded. */
  readonly sum: {
    readonly promisedLiveBytes: number;
    readonly queuedBytes: number;
    readonly allDrainingBytes: number;
    readonly promisedNewBytes: number;
    readonly capacityBytes: number;
    readonly limitBytes: number | null;
  } | null;
}

export type OutcomeKind =
  | 'shutdown'
  | 'destroyed'
  | 'crashed'
  | 'saved'
  | 'migrated'
  | 'failed'
  | 'host-reboot'
  | 'unknown';

/** The rung of the ladder that ended the hypervisor. */
export type Rung = 'itself' | 'SIGTERM' | 'SIGKILL';

/** How an incarnation ended. Exit code and signal are null while unknown, or when nobody was there to see. */
export interface Outcome {
  readonly kind: OutcomeKind;
  readonly exitCode: number | null;
  readonly signal: number | null;
  readonly rung: Rung;
  /** null: could not be read. */
  readonly oomKilled: boolean | null;
  /** One sentence for a failure, e.g. the hypervisor's last words. */
  readonly detail: string | null;
}

export type PauseReason =
  | 'user'
  | 'starting up'
  | 'I/O error'
  | 'watchdog'
  | 'panicked'
  | 'pmsuspended'
  | 'shutting down'
  /** Its brake has lasted: it goes on by itself when there is memory for it. */
  | 'memory'
  | 'unknown';
export type RunReason = 'booted' | 'unpaused';

/** A resource found busy by its probe, with the holder if one could be named. */
export interface BusyResource {
  readonly resource: string;
  readonly probe: string;
  readonly holder: string | null;
}

/** A resource proven free, and by which probe. */
export interface Proof {
  readonly resource: string;
  readonly probe: string;
}

/** Everything known of a live hypervisor. */
export interface Live {
  readonly hypervisor: ProcessIdentity;
  readonly helper: ProcessIdentity | null;
  readonly ramFiles: readonly RamFile[];
  /** What its guest was asked and has not done yet. */
  readonly asked: Asked | null;
  /** Since when it may not have all it was promised, milliseconds since the epoch; null: it may. */
  readonly brakedSinceMs: number | null;
}

/** destroyAtMs: when patience ends, milliseconds since the epoch; null: never. */
export interface Asked {
  readonly to: 'shutdown' | 'reboot';
  readonly destroyAtMs: number | null;
  /** From then on a power-off is one, and not half of the reboot that was asked for; null: never. */
  readonly lapsesAtMs: number | null;
}

/** Times are milliseconds since the epoch. */
export type IncarnationState =
  | { readonly kind: 'launching'; readonly sinceMs: number; readonly hypervisor: ProcessIdentity | null }
  | ({ readonly kind: 'running'; readonly sinceMs: number; readonly reason: RunReason } & Live)
  | ({ readonly kind: 'paused'; readonly sinceMs: number; readonly reason: PauseReason } & Live)
  | ({
      readonly kind: 'stopping';
      readonly sinceMs: number;
      readonly byGuest: boolean;
      readonly panicked: boolean;
    } & Live)
  | {
      readonly kind: 'exiting';
      readonly sinceMs: number;
      /** null: the hypervisor is gone (or never was). */
      readonly hypervisor: ProcessIdentity | null;
      readonly helper: ProcessIdentity | null;
      readonly ramFiles: readonly RamFile[];
      readonly outcome: Outcome;
      /** SIGKILL follows when its clock runs out; false after a graceful destroy. */
      readonly killFollows: boolean;
      /** Destroyed before its hypervisor was born: the launch has yet to notice. */
      readonly awaitsLaunch: boolean;
      readonly busy: readonly BusyResource[];
    }
  | {
      readonly kind: 'draining';
      readonly sinceMs: number;
      /** When the end began: entry to exiting. */
      readonly exitingSinceMs: number;
      readonly helper: ProcessIdentity | null;
      readonly ramFiles: readonly RamFile[];
      readonly outcome: Outcome;
      readonly freed: readonly Proof[];
      /** When a byte last fell before a stall; null while bytes fall. */
      readonly stalledSinceMs: number | null;
      /** Proven; what is left is to tidy up, whoever does it. */
      readonly memoryGone: boolean;
    }
  | { readonly kind: 'released'; readonly sinceMs: number; readonly outcome: Outcome }
  | { readonly kind: 'lost'; readonly sinceMs: number; readonly reason: string; readonly was: KnownState };

export type StateKind = IncarnationState['kind'];
export type StateOf<K extends StateKind> = Extract<IncarnationState, { kind: K }>;
/** A state whose facts were readable. */
export type KnownState = Exclude<IncarnationState, { kind: 'lost' | 'released' }>;

/** A launch and where it stands. */
export interface Incarnation {
  readonly launch: Launch;
  readonly state: IncarnationState;
}
