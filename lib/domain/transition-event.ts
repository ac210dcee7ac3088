/** What may happen to an incarnation: requests, and what the kernel or its hypervisor tells. */
import type { Lifecycle } from './definition.ts';
import type { AskMode, BusyResource, PauseReason, ProcessIdentity, Proof, RamFile } from './incarnation.ts';

/** Every event carries when it was noticed, milliseconds since the epoch. */
export type Event = { readonly atMs: number } & (
  | { readonly kind: 'startRequested' }
  | { readonly kind: 'forceStartRequested' }
  /** `modes` in the order in which they are tried; destroyed at `destroyAtMs` if it has not ended; null: never. */
  | { readonly kind: 'shutdownRequested'; readonly modes: readonly AskMode[]; readonly destroyAtMs: number | null }
  | { readonly kind: 'rebootRequested'; readonly modes: readonly AskMode[] }
  | { readonly kind: 'resetRequested' }
  | { readonly kind: 'suspendRequested' }
  | { readonly kind: 'resumeRequested' }
  /** graceful: SIGTERM only, whatever it takes. */
  | { readonly kind: 'destroyRequested'; readonly graceful: boolean }
  | { readonly kind: 'hypervisorSpawned'; readonly hypervisor: ProcessIdentity }
  /** paused: it was to be started so, and its processors have not run. */
  | {
      readonly kind: 'launched';
      readonly helper: ProcessIdentity | null;
      readonly ramFiles: readonly RamFile[];
      readonly paused: boolean;
      /** It may not have all it was promised yet. */
      readonly braked: boolean;
    }
  /** It may have all it was promised. */
  | { readonly kind: 'unbraked' }
  | { readonly kind: 'launchFailed'; readonly detail: string }
  /** The guest was shown the power button: QMP's POWERDOWN. */
  | { readonly kind: 'powerdownSeen' }
  | { readonly kind: 'guestPaused'; readonly reason: PauseReason }
  | { readonly kind: 'guestResumed' }
  /**
   * The guest powered off or something asked QEMU to end: QMP's SHUTDOWN. `action` is the definition's for this cause;
   * panicked: it is the end of a guest whose kernel did.
   */
  | {
      readonly kind: 'guestShutdown';
      readonly byGuest: boolean;
      readonly action: 'destroy' | 'restart';
      readonly panicked: boolean;
    }
  /** QMP's GUEST_PANICKED; `action` is the definition's on_crash. */
  | { readonly kind: 'guestPanicked'; readonly action: Lifecycle['onCrash'] }
  /** QMP's WATCHDOG; QEMU has done what `action` says. */
  | { readonly kind: 'watchdogFired'; readonly action: string }
  /** QMP's BLOCK_IO_ERROR; stop: the guest is held until somebody resumes it. */
  | { readonly kind: 'diskFailed'; readonly action: string }
  /** Nobody in the guest could be asked. */
  | { readonly kind: 'askFailed' }
  /** QMP's RESET, whoever caused it. */
  | { readonly kind: 'guestReset' }
  /** pidfd fired: every thread of the hypervisor is gone. */
  | {
      readonly kind: 'hypervisorExited';
      readonly exitCode: number | null;
      readonly signal: number | null;
      readonly detail: string | null;
    }
  | { readonly kind: 'resourcesBusy'; readonly busy: readonly BusyResource[] }
  | { readonly kind: 'resourcesFree'; readonly proofs: readonly Proof[] }
  /** `stillMs`: so long ago a byte last fell. */
  | { readonly kind: 'stalled'; readonly stillMs: number }
  | { readonly kind: 'progressed' }
  | { readonly kind: 'memoryGone'; readonly oomKilled: boolean | null }
  | { readonly kind: 'cgroupRemoved' }
  /** The time is up that a shutdown was given. */
  | { readonly kind: 'destroyDue' }
  /** The clock of the ladder: SIGKILL is due. */
  | { readonly kind: 'killDue' }
  /** Processes are left in the cgroup although hypervisor and helper were ended. */
  | { readonly kind: 'stragglersDue' }
  | { readonly kind: 'factsUnreadable'; readonly reason: string }
  | { readonly kind: 'factsRead'; readonly hypervisor: 'alive' | 'gone' }
  /** The record is of another boot: nothing of it can exist. */
  | { readonly kind: 'hostRebooted' }
);
export type EventKind = Event['kind'];
export type EventOf<K extends EventKind> = Extract<Event, { kind: K }>;
