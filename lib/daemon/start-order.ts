/** A start as it is asked for, and what became of one try. */
import type { Decision } from '../admission/decision.ts';
import type { Requester } from '../domain/incarnation.ts';
import type { DomctlError } from '../errors.ts';
import type { Preparation } from './preparation.ts';
import type { Supervisor } from './supervisor.ts';

export interface StartOrder {
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly wait: boolean;
  /** Its guest stands still until somebody resumes it. */
  readonly paused: boolean;
  readonly timeoutMs: number | undefined;
  readonly requester: Requester;
  /** Aborts when the caller is gone: a queued start is cancelled, one that was admitted goes on. */
  readonly signal: AbortSignal;
}

/** A start that was tried: registered, or refused with the reason. */
export interface Admission {
  readonly preparation: Preparation;
  readonly decision: Decision;
  readonly error: DomctlError | null;
  readonly supervisor: Supervisor | null;
}
