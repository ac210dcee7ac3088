/** What the table says to an event: the next state with the effects that follow, nothing, or no. Effects are data; `lib/daemon/effects.ts` runs them. */
import type { ErrorCode } from '../errors.ts';
import type { AskMode, IncarnationState } from './incarnation.ts';

export type Effect =
  /** Ask the guest, by the first of `modes` that answers. */
  | { readonly kind: 'askGuest'; readonly to: 'shutdown' | 'reboot'; readonly modes: readonly AskMode[] }
  /** Event destroyDue at the state's `asked.destroyAtMs`. */
  | { readonly kind: 'scheduleDestroy' }
  /** QMP system_reset, and what a powered-off guest does from now on is the definition's word again. */
  | { readonly kind: 'resetGuest'; readonly resume: boolean }
  /** That alone: the guest has reset itself. */
  | { readonly kind: 'restoreActions' }
  /** QMP stop, cont, system_wakeup. */
  | { readonly kind: 'stopGuest' }
  | { readonly kind: 'resumeGuest' }
  | { readonly kind: 'wakeGuest' }
  /** A hypervisor that stays after its guest's power-off is asked to end; one that ends by itself is left to. */
  | { readonly kind: 'finishShutdown' }
  | { readonly kind: 'signalHypervisor'; readonly signal: 'SIGTERM' | 'SIGKILL' }
  /** Event killDue after the launch's killAfterMs. */
  | { readonly kind: 'scheduleKill' }
  /** Once, while a helper still holds the address space: which claimed files does it map or hold? */
  | { readonly kind: 'scanHelper' }
  /** Only after the hypervisor is gone: ours is waited for, QEMU's gets SIGKILL, or it may sleep for a second. */
  | { readonly kind: 'endHelper' }
  /** SIGKILL to a helper under which no byte falls any more: its exit frees the rest. */
  | { readonly kind: 'endStuckHelper' }
  /** The ladder of the hypervisor's companions (swtpm, virtiofsd): only after the hypervisor is gone. */
  | { readonly kind: 'endCompanions' }
  /** Probe every exclusive resource until all are free: resourcesBusy (on change), resourcesFree. */
  | { readonly kind: 'proveFreed' }
  /** Event stragglersDue after killAfterMs, if the cgroup is still populated. */
  | { readonly kind: 'scheduleStragglers' }
  /** cgroup.kill: the last rung. */
  | { readonly kind: 'killCgroup' }
  /** Read what is held until it is proven gone: stalled, progressed, memoryGone. */
  | { readonly kind: 'watchMemory' }
  /** The incarnation's cgroup, then its files: cgroupRemoved when all of it is gone. */
  | { readonly kind: 'removeCgroup' }
  /** Try the facts of a lost incarnation again. */
  | { readonly kind: 'readFacts' }
  /** Take a live hypervisor's pidfd, after checking that it is the recorded one; gone: hypervisorExited. */
  | { readonly kind: 'adoptHypervisor' }
  /** The same, and its monitor: how is the guest after the gap? */
  | { readonly kind: 'followHypervisor' }
  /** Nothing of it is left: let go of what this process holds. */
  | { readonly kind: 'forget' };
export type EffectKind = Effect['kind'];

export type RefusalCode = Extract<
  ErrorCode,
  | 'DOMAIN_ACTIVE'
  | 'DOMAIN_NOT_RUNNING'
  | 'WRONG_STATE'
  | 'INCARNATION_EXITING'
  | 'INCARNATION_LOST'
  | 'INCARNATION_DRAINING'
>;

export type Verdict =
  | { readonly kind: 'to'; readonly state: IncarnationState; readonly effects: readonly Effect[] }
  /** Already true, a repeated hint, or (for a start) no objection. */
  | { readonly kind: 'ignored' }
  | { readonly kind: 'refused'; readonly code: RefusalCode };
