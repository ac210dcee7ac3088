/**
 * A figure read from the kernel: known, or unknown with the reason. Unknown is not zero: code that wants
 * the number must say what it does without one.
 */
export type Reading<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly reason: string };

export function known<T>(value: T): Reading<T> {
  return { known: true, value };
}

export function unknown(reason: string): Reading<never> {
  return { known: false, reason };
}

/** Combines readings: known only when every one is. The first unknown's reason is kept. */
export function combine<T, R>(readings: readonly Reading<T>[], join: (values: readonly T[]) => R): Reading<R> {
  const values: T[] = [];
  for (const reading of readings) {
    if (!reading.known) return reading;
    values.push(reading.value);
  }
  return known(join(values));
}

/** The value, or null; for JSON, where the reason stands in a sibling field. */
export function valueOrNull<T>(reading: Reading<T>): T | null {
  return reading.known ? reading.value : null;
}
