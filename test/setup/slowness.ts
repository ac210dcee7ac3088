/** How much slower than a usual machine this one is: under an emulated processor nothing hangs that only takes its time. */

/** DOMCTL_TEST_SLOW, a factor of at least 1; the lab sets it. */
const factor = Math.max(1, Number(process.env['DOMCTL_TEST_SLOW'] ?? 1) || 1);

/** A deadline of a test, for this machine. Of deadlines only: never of what a test measures. */
export function patient(ms: number): number {
  return ms * factor;
}
