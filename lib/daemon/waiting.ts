/**
 * Runs `work` with a signal that aborts when the caller is gone or `ms` have passed (null and undefined: no deadline).
 * The timer itself holds the signal: one made by AbortSignal.timeout may be collected as garbage, and then never fires.
 */
export async function withDeadline<T>(
  ms: number | null | undefined,
  caller: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const onCallerGone = (): void => {
    controller.abort(caller.reason);
  };
  if (caller.aborted) onCallerGone();
  caller.addEventListener('abort', onCallerGone);
  const timer = ms == null ? undefined : setTimeout(() => controller.abort(new Error('the deadline passed')), ms);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    caller.removeEventListener('abort', onCallerGone);
  }
}
