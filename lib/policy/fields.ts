/**
 * The kinds of value a policy file may hold, each a zod schema that checks the text and yields the value in its unit.
 * Owns: what each kind accepts and how that is told to whoever got it wrong. Must not know: which key has which kind.
 */
import { z } from 'zod';
import type { Share } from './types.ts';
import {
  durationSource,
  formatDuration,
  formatSize,
  parseDuration,
  parsePercent,
  parseShare,
  parseSize,
  percentSource,
  sizeSource,
} from './values.ts';

/** How a kind of value is told to a person: `X is not <expected>`, and the way to write it right. */
export interface Wording {
  readonly expected: string;
  readonly hint: string;
  /** For lists: what an entry must be. */
  readonly entry?: string;
  /** The words allowed, for a nearest match. */
  readonly choices?: readonly string[];
}

/** The wording of every field made here, by schema. */
export const wordings = z.registry<Wording>();

const durationHint = "write an integer with ms, s, m or h, such as '10s', up to 596h";
const sizeHint = "write an integer with KiB, MiB, GiB or TiB, such as '4GiB'";
const percentHint = "write a number from 0 to 100 with a percent sign, such as '25%'";
const namePattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/;
const userPattern = /^[A-Za-z0-9_][A-Za-z0-9._@-]{0,99}$/;
const principalPattern = /^(?:group:)?[A-Za-z0-9_][A-Za-z0-9._@-]{0,99}$/;

/** True when `text` can name a policy: it is part of a file's name, so no separators and no leading dot. */
export function isPolicyName(text: string): boolean {
  return namePattern.test(text);
}

/** One fixed value, such as a file's kind. */
export function exactly(value: string | number, about: string) {
  const wording = { expected: String(value), hint: `write ${value}` };
  return z.literal(value).describe(about).register(wordings, wording);
}

/** true or false. */
export function flag(about: string) {
  return z.boolean().describe(about).register(wordings, { expected: 'true or false', hint: 'write true or false' });
}

/** A line of text for people. */
export function prose(about: string) {
  const wording = { expected: 'a text of 1 to 200 characters', hint: 'write a short sentence' };
  return z.string().min(1).max(200).describe(about).register(wordings, wording);
}

/** One of a few words. */
export function oneOf<const T extends readonly [string, ...string[]]>(choices: T, about: string) {
  const allowed = choices.join(', ');
  const wording = { expected: `one of ${allowed}`, hint: `allowed: ${allowed}`, choices };
  return z.enum(choices).describe(about).register(wordings, wording);
}

/** One or more different words of a few, in order. */
export function orderOf<const T extends readonly [string, ...string[]]>(choices: T, about: string) {
  const allowed = choices.join(', ');
  const wording = {
    expected: `a list of different words among ${allowed}`,
    hint: `write a list such as [${allowed}]`,
    entry: `one of ${allowed}`,
    choices,
  };
  return z.array(z.enum(choices)).min(1).refine(allDifferent).describe(about).register(wordings, wording);
}

/** A whole number within limits. */
export function integer(min: number, max: number, about: string) {
  const wording = { expected: `an integer from ${min} to ${max}`, hint: `allowed: ${min} to ${max}, no unit` };
  return z.int().min(min).max(max).describe(about).register(wordings, wording);
}

/** A whole number within limits, or `auto`. */
export function integerOrAuto(min: number, max: number, about: string) {
  const wording = {
    expected: `'auto' or an integer from ${min} to ${max}`,
    hint: `allowed: auto, or ${min} to ${max} without a unit`,
  };
  return z
    .union([z.literal('auto'), z.int().min(min).max(max)])
    .describe(about)
    .register(wordings, wording);
}

/** A number within limits. */
export function factor(min: number, max: number, about: string) {
  const wording = { expected: `a number from ${min} to ${max}`, hint: `allowed: ${min} to ${max}, no unit` };
  return z.number().min(min).max(max).describe(about).register(wordings, wording);
}

/** A duration of at least `minMs`; yields milliseconds. */
export function duration(about: string, minMs = 0) {
  const least = minMs === 0 ? '' : ` of at least ${formatDuration(minMs)}`;
  const parse = (text: string): number | undefined => atLeast(parseDuration(text), minMs);
  return written(durationSource, parse, about, { expected: `a duration${least}`, hint: durationHint });
}

/** A duration, or the word that says there is no limit; yields milliseconds or null. */
export function durationOr(word: 'never' | 'unlimited', about: string) {
  const parse = (text: string): number | null | undefined =>
    text === word ? null : (parseDuration(text) ?? undefined);
  const wording = { expected: `a duration or '${word}'`, hint: `${durationHint}, or ${word}`, choices: [word] };
  return written(`(?:${word}|${durationSource})`, parse, about, wording);
}

/** A size of at least `minBytes`; yields bytes. */
export function size(about: string, minBytes = 0) {
  const least = minBytes === 0 ? '' : ` of at least ${formatSize(minBytes)}`;
  const parse = (text: string): number | undefined => atLeast(parseSize(text), minBytes);
  return written(sizeSource, parse, about, { expected: `a size${least}`, hint: sizeHint });
}

/** A size or `auto`; yields bytes or the word. */
export function sizeOrAuto(about: string) {
  const parse = (text: string): 'auto' | number | undefined =>
    text === 'auto' ? text : (parseSize(text) ?? undefined);
  const wording = { expected: "a size or 'auto'", hint: `${sizeHint}, or auto`, choices: ['auto'] };
  return written(`(?:auto|${sizeSource})`, parse, about, wording);
}

/** A percentage from 0 to 100; yields the number. */
export function percent(about: string) {
  const parse = (text: string): number | undefined => parsePercent(text) ?? undefined;
  return written(percentSource, parse, about, { expected: 'a percentage', hint: percentHint });
}

/** A size or a percentage, a size being at least `minBytes`. */
export function share(about: string, minBytes = 0) {
  const least = minBytes === 0 ? '' : ` of at least ${formatSize(minBytes)}`;
  const parse = (text: string): Share | undefined => {
    const parsed = parseShare(text);
    return parsed === null || (parsed.kind === 'bytes' && parsed.bytes < minBytes) ? undefined : parsed;
  };
  const wording = { expected: `a size${least} or a percentage`, hint: `${sizeHint}, or ${percentHint.slice(6)}` };
  return written(`(?:${sizeSource}|${percentSource})`, parse, about, wording);
}

/** The name of a policy. */
export function policyName(about: string) {
  const wording = { expected: 'a policy name', hint: "write a file's name without .yaml: letters, digits and . _ -" };
  return z.string().regex(namePattern).describe(about).register(wordings, wording);
}

/** The name of a policy, or null for none. */
export function policyNameOrNull(about: string) {
  const wording = { expected: 'a policy name or null', hint: 'write the name of another policy, or null' };
  return z.string().regex(namePattern).nullable().describe(about).register(wordings, wording);
}

/** A list of policy names. */
export function policyNames(about: string) {
  const wording = {
    expected: 'a list of policy names',
    hint: 'write a list such as [strict, balanced]',
    entry: 'a policy name',
  };
  return z.array(z.string().regex(namePattern)).describe(about).register(wordings, wording);
}

/** The name of a user. */
export function userName(about: string) {
  const wording = { expected: "a user's name", hint: 'write the name of a user of this host' };
  return z.string().regex(userPattern).describe(about).register(wordings, wording);
}

const people = { entry: 'a user or group:NAME', hint: 'write a list such as [root, "group:domctl"]' };

/** A list of users and `group:NAME`. */
export function principals(about: string) {
  const wording = { ...people, expected: 'a list of users and group:NAME' };
  return z.array(z.string().regex(principalPattern)).describe(about).register(wordings, wording);
}

/** A list of users and `group:NAME`, or `everyone`. */
export function principalsOrEveryone(about: string) {
  const wording = { ...people, expected: "'everyone' or a list of users and group:NAME", choices: ['everyone'] };
  return z
    .union([z.literal('everyone'), z.array(z.string().regex(principalPattern))])
    .describe(about)
    .register(wordings, wording);
}

/** A text of a form; `parse` yields its value, or undefined for one that is out of range. */
function written<T>(source: string, parse: (text: string) => T | undefined, about: string, wording: Wording) {
  return z
    .string()
    .regex(new RegExp(`^${source}$`))
    .transform((text, context): T => {
      const parsed = parse(text);
      if (parsed !== undefined) return parsed;
      context.addIssue({ code: 'custom', message: wording.expected });
      return z.NEVER;
    })
    .describe(about)
    .register(wordings, wording);
}

function atLeast(value: number | null, min: number): number | undefined {
  return value !== null && value >= min ? value : undefined;
}

function allDifferent(words: readonly string[]): boolean {
  return new Set(words).size === words.length;
}
