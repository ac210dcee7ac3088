/** What the doctor says of one requirement: a verdict, the fact it stands on, and for anything but PASS the way out. */
import type { Reading } from '../reading.ts';

export type Verdict = 'PASS' | 'WARN' | 'FAIL';

/** One requirement of domctl, judged. */
export interface Finding {
  readonly verdict: Verdict;
  /** What was looked at, e.g. `memory controller`. */
  readonly what: string;
  /** What was found there. */
  readonly finding: string;
  /** What to do about it, perhaps several lines; null with PASS. */
  readonly remedy: string | null;
}

/** The findings about one part of the host. */
export interface Section {
  readonly group: string;
  readonly findings: readonly Finding[];
}

/** It is as it must be. */
export function pass(what: string, finding: string): Finding {
  return { verdict: 'PASS', what, finding, remedy: null };
}

/** Something does not work, or could not be found out; the rest does. */
export function warn(what: string, finding: string, remedy: string): Finding {
  return { verdict: 'WARN', what, finding, remedy };
}

/** No virtual machine can be run as things are. */
export function fail(what: string, finding: string, remedy: string): Finding {
  return { verdict: 'FAIL', what, finding, remedy };
}

/** What could not be read is neither good nor bad: a warning that says why, unless it is known. */
export function judge<T>(what: string, reading: Reading<T>, ofValue: (value: T) => Finding): Finding {
  if (reading.known) return ofValue(reading.value);
  return warn(what, `unknown: ${reading.reason}`, 'find out why it cannot be read; nothing is assumed of it');
}
