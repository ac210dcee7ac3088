/** Values of options: durations as in policies, `--wait` with its optional value, the places that flags move. */
import { DomctlError } from '../errors.ts';
import { findPlaces, type Places, placeVariables } from '../places.ts';
import { parseDuration } from '../policy/values.ts';

/** `2s`, `5m`: milliseconds. Throws USAGE. */
export function durationOption(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = parseDuration(value);
  if (ms !== null && ms > 0) return ms;
  throw new DomctlError('USAGE', `--${name}: '${value}' is not a duration`, {
    hint: 'a whole number with ms, s, m or h, as in 90s',
  });
}

/** What a lone `-` becomes: yargs would make an empty word of it. */
export const standardInput = '/dev/stdin';

/** Verbs that take a file. */
const readers = ['define', 'create', 'policy', 'domxml-to-native'];

/** A bare `--wait` means `--wait=off`: a following word is always a domain, never the option's value. `-` is standard input. */
export function fixArguments(args: readonly string[]): string[] {
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  return args.map((arg, index) => {
    if (arg === '-' && readers.some((verb) => args.includes(verb))) return standardInput;
    return arg === '--wait' && index < end ? '--wait=off' : arg;
  });
}

/** Flags such as --state-dir go before the environment. */
export function placesFromFlags(flags: Readonly<Record<string, unknown>>): Places {
  const env: Record<string, string | undefined> = { ...process.env };
  for (const [key, variable] of Object.entries(placeVariables)) {
    const value = flags[key];
    if (typeof value === 'string') env[variable] = value;
  }
  return findPlaces(env);
}

/** The target of `--wait=`, or null when it was not given. */
export function waitTarget(value: string | undefined): 'freed' | 'off' | null {
  return value === 'freed' || value === 'off' ? value : null;
}
