/** Tests that failed at first and passed when they were tried again: a few are told by name, many fail the run. */

/** A test that needed its second try. */
export interface SecondTry {
  readonly name: string;
  /** Message of what failed at first, all lines of it; null where none is known. */
  readonly error: string | null;
}

/** So many are a busy host; more are a fault. */
export const allowedSecondTries = 3;

/** What is printed of them, a line each, and whether they are too many. */
export function judgeSecondTries(tries: readonly SecondTry[]): { readonly lines: string[]; readonly tooMany: boolean } {
  const tooMany = tries.length > allowedSecondTries;
  const lines = tries.map(({ name, error }) => {
    return `passed at the second try: ${name}: ${error?.slice(0, 400).replace(/\s*\n\s*/g, ' | ') ?? 'no error is known'}`;
  });
  const verdict = `FAILED: ${tries.length} tests passed at the second try only, allowed are ${allowedSecondTries}`;
  return { lines: tooMany ? [...lines, verdict] : lines, tooMany };
}
