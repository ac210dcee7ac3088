/** Deadlines of waits: a signal that aborts when the time is up or the caller is gone, whichever is first. */

/** `ms` null or undefined: no deadline of its own. */
export function deadlineSignal(ms: number | null | undefined, caller: AbortSignal): AbortSignal {
  return ms == null ? caller : AbortSignal.any([caller, AbortSignal.timeout(ms)]);
}
