/** What ends an attempt to reach somebody: its deadline, or its caller. */

export interface AttemptLimit {
  readonly deadlineMs: number;
  /** What the signal aborts with when the time is up; absent: a plain error. */
  readonly late?: Error;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `work` with a signal that aborts at the deadline or with the caller's signal, whichever is first. A timer holds it:
 * a signal made by AbortSignal.timeout or AbortSignal.any may be collected as garbage, and then never aborts.
 */
export async function withinLimit<T>(limit: AttemptLimit, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { deadlineMs, late = new Error(`not within ${deadlineMs} ms`), signal } = limit;
  const controller = new AbortController();
  const onCaller = (): void => controller.abort(signal?.reason);
  if (signal?.aborted) onCaller();
  signal?.addEventListener('abort', onCaller);
  const timer = setTimeout(() => controller.abort(late), deadlineMs);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onCaller);
  }
}
