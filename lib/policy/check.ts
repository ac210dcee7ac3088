/**
 * One file checked against its schema, and the first of its mistakes told with its place.
 * Owns: the step from a schema's complaint to a sentence. Must not know: inheritance, directories.
 */
import { z } from 'zod';
import type { DomctlError } from '../errors.ts';
import { type Wording, wordings } from './fields.ts';
import { invalidPolicy, nearest, type Position, type Problem } from './problem.ts';
import { hostFile, hostHead, hostShape, policyFile, policyHead, policyShape } from './schema.ts';
import { dotted, type Path, type Source, shown } from './source.ts';

/** What one kind of file may hold: `shape` for its keys and their wording, `file` with what may be left out. */
export interface Kind {
  readonly file: z.ZodType;
  readonly shape: z.ZodRawShape;
}

const kinds = {
  policy: { file: policyFile, shape: { ...policyHead, ...policyShape } },
  host: { file: hostFile, shape: { ...hostHead, ...hostShape } },
} as const satisfies Record<string, Kind>;

const top: Position = { line: 1, column: 1 };

/** Throws INVALID_POLICY for the first mistake in a file, in the order of its lines. */
export function checkSource(source: Source, kind: keyof typeof kinds | Kind): void {
  const known: Kind = typeof kind === 'string' ? kinds[kind] : kind;
  const result = known.file.safeParse(source.data);
  const strangers = strangeKeys(source, known.shape);
  if (result.success && strangers.length === 0) return;
  const issues = result.success ? [] : result.error.issues.filter((issue) => issue.code !== 'unrecognized_keys');
  const problems = [...strangers, ...issues.map((issue) => problemOf(issue.path, source, known.shape))];
  throw firstOf(problems);
}

/** The earliest of some problems as an error. */
function firstOf(problems: readonly Problem[]): DomctlError {
  const [first] = [...problems].sort((a, b) => offset(a) - offset(b));
  return invalidPolicy(first ?? { file: '', what: 'is not valid' });
}

function offset({ at = top }: Problem): number {
  return at.line * 2 ** 20 + at.column;
}

/** Looked for here and not left to zod, which passes over a key named `__proto__`. */
function strangeKeys(source: Source, shape: z.ZodRawShape): Problem[] {
  return Object.entries(source.data).flatMap(([key, value]) => {
    if (!Object.hasOwn(shape, key)) return [unknownKey([key], source, shape)];
    const section = shape[key];
    if (!(section instanceof z.ZodObject) || !isRecord(value)) return [];
    const inner = Object.keys(value).filter((name) => !Object.hasOwn(section.shape, name));
    return inner.map((name) => unknownKey([key, name], source, shape));
  });
}

function unknownKey(path: Path, source: Source, shape: z.ZodRawShape): Problem {
  const hint = likelyKey(path, shape) ?? `known keys here: ${siblings(path, shape).join(', ')}`;
  return { file: source.file, at: source.keyAt(path), key: dotted(path), what: 'unknown key', hint };
}

/** A sibling that is spelled alike, else the same word in another section. */
function likelyKey(path: Path, shape: z.ZodRawShape): string | null {
  const word = String(path.at(-1));
  const near = nearest(word, siblings(path, shape));
  const key = near === null ? elsewhere(word, shape) : [...path.slice(0, -1), near].join('.');
  return key === undefined ? null : `did you mean ${key}?`;
}

function siblings(path: Path, shape: z.ZodRawShape): string[] {
  const section = path.length > 1 ? shape[String(path[0])] : undefined;
  return Object.keys(section instanceof z.ZodObject ? section.shape : shape);
}

function elsewhere(word: string, shape: z.ZodRawShape): string | undefined {
  if (Object.hasOwn(shape, word)) return word;
  const sections = Object.entries(shape).filter(([, section]) => section instanceof z.ZodObject);
  const home = sections.find(([, section]) => Object.hasOwn((section as z.ZodObject).shape, word));
  return home === undefined ? undefined : `${home[0]}.${word}`;
}

function problemOf(path: Path, source: Source, shape: z.ZodRawShape): Problem {
  const { file } = source;
  const key = dotted(path);
  const at = source.valueAt(path);
  const { expected, hint, choices, entry } = wordingAt(path, shape);
  if (at === undefined) return { file, at: top, key, what: 'missing key', hint };
  const value = path.reduce<unknown>(child, source.data);
  const inList = typeof path.at(-1) === 'number';
  const near = typeof value === 'string' && choices !== undefined ? nearest(value, choices) : null;
  const what = `${shown(value)} is not ${inList ? (entry ?? expected) : expected}`;
  return { file, at, key, what, hint: near === null ? hint : `did you mean ${near}?` };
}

function wordingAt(path: Path, shape: z.ZodRawShape): Wording {
  const [outer, inner] = path.map(String);
  const section = shape[outer ?? ''];
  const field: unknown = section instanceof z.ZodObject && inner !== undefined ? section.shape[inner] : section;
  const known = field === undefined ? undefined : wordings.get(field as z.ZodType);
  if (known !== undefined) return known;
  const keys = siblings([...path, ''], shape).join(', ');
  return { expected: 'a mapping', hint: `keys of ${dotted(path)}: ${keys}` };
}

function child(value: unknown, part: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
