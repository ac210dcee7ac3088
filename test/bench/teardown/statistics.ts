/** Medians and their spread. */

export interface Spread {
  readonly n: number;
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
}

/** NaN throughout for no samples. */
export function spread(samples: readonly number[]): Spread {
  const sorted = samples.filter(Number.isFinite).toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.round((sorted.length - 1) * share)] ?? NaN;
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
  return { n: sorted.length, median, p10: at(0.1), p90: at(0.9) };
}

/** Three figures that mean something, whatever the size. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1000) return Math.round(value).toLocaleString('en').replaceAll(',', ' ');
  return value.toFixed(value < 10 ? 1 : 0);
}

/** `median (p10 to p90)`. */
export function words({ n, median, p10, p90 }: Spread): string {
  if (n === 0) return '–';
  return n === 1 ? figure(median) : `${figure(median)} (${figure(p10)} to ${figure(p90)})`;
}
