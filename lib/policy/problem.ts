/**
 * How a mistake in a policy file is told: one sentence with file, line, column and key, and a way out.
 * Owns: the wording's frame. Must not know: what is right or wrong.
 */
import { DomctlError } from '../errors.ts';

/** A place in a file, both 1-based. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A mistake in a file; what is not known (a file that cannot be opened has no lines) is left out. */
export interface Problem {
  readonly file: string;
  readonly at?: Position | undefined;
  /** Dotted YAML path. */
  readonly key?: string | undefined;
  readonly what: string;
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** The INVALID_POLICY error that tells a problem: `file:line:column: key: what`. */
export function invalidPolicy(problem: Problem): DomctlError {
  const { file, at, key, what, hint, cause } = problem;
  const place = at === undefined ? file : `${file}:${at.line}:${at.column}`;
  const message = [place, ...(key === undefined ? [] : [key]), what].join(': ');
  const details = { file, line: at?.line ?? null, column: at?.column ?? null, key: key ?? null };
  return new DomctlError('INVALID_POLICY', message, { hint, details, cause });
}

/** The candidate nearest to a mistyped word, or null when none is near. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const short = word.slice(0, 100).toLowerCase();
  const limit = Math.max(2, Math.floor(short.length / 3));
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(short, candidate.toLowerCase()) }))
    .filter(({ candidate, distance }) => distance <= limit && distance < candidate.length)
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate ?? null;
}

/** Levenshtein's distance, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...from].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...to].entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
