/** What a run of tests came to, as its closing line says it: `N passed, N failed, N skipped`. */

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** No test ran, or the run broke before its end. */
export const broken: Counts = { passed: 0, failed: 1, skipped: 0 };

/** The closing line. */
export function formatCounts({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** From all that a run printed; one that did not come to its closing line is broken. */
export function parseCounts(output: string): Counts {
  const match = /(?:^|\n)(\d+) passed, (\d+) failed, (\d+) skipped\n*$/.exec(output);
  if (!match) return broken;
  const [passed = 0, failed = 0, skipped = 0] = match.slice(1).map(Number);
  return { passed, failed, skipped };
}

export function sumCounts(all: readonly Counts[]): Counts {
  const sum = (name: keyof Counts): number => all.reduce((total, each) => total + each[name], 0);
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') };
}
