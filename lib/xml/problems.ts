/**
 * What is wrong with a document, and how it is told.
 * Owns: the wording around file, line and path. Must not know: what domctl supports.
 */
import { DomctlError } from '../errors.ts';

/** A place in a source text, both counted from 1; columns count UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** `unsupported`: good for libvirt perhaps, but nothing domctl does; `invalid`: wrong for anyone, never let through. */
export interface Problem {
  readonly kind: 'unsupported' | 'invalid';
  readonly position: Position;
  /** XPath of the element or attribute, e.g. `/domain/devices/disk[2]/@snapshot`; empty when there is no tree yet. */
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

/** Most problems one error carries: a hostile document must not become an answer of many megabytes. */
export const problemLimit = 1000;

/** One line, `file:line:column: path: message`. */
export function tellProblem(file: string, problem: Problem): string {
  const { line, column } = problem.position;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  return `${file}:${line}:${column}: ${path}${problem.message}`;
}

/** INVALID_XML about the first of `problems` in document order; the others are counted, and listed in `details.problems`. */
export function invalidXml(file: string, problems: readonly [Problem, ...Problem[]]): DomctlError {
  const sorted = problems.toSorted(byPosition);
  const first = sorted[0] ?? problems[0];
  const more = sorted.length > 1 ? ` (and ${sorted.length - 1} more)` : '';
  return new DomctlError('INVALID_XML', tellProblem(file, first) + more, {
    hint: first.hint,
    details: {
      file,
      ...first.position,
      path: first.path,
      problemCount: sorted.length,
      problems: sorted.slice(0, problemLimit).map(flat),
    },
  });
}

function byPosition(a: Problem, b: Problem): number {
  return a.position.line - b.position.line || a.position.column - b.position.column;
}

function flat({ kind, position, path, message, hint }: Problem): Record<string, unknown> {
  return { kind, ...position, path, message, hint };
}

/** A value as a message shows it: quoted, on one line, cut when long. */
export function quote(value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
}
