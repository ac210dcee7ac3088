/** Medians and their spread. */

export interface Spread {
  readonly n: number;
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
}

/** Of what was measured and is a number; NaN throughout for no samples. */
export function spread(samples: readonly number[]): Spread {
  const finite = samples.filter(Number.isFinite);
  return { n: finite.length, median: median(finite), p10: quantile(finite, 0.1), p90: quantile(finite, 0.9) };
}

/** NaN for no samples. */
export function median(samples: readonly number[]): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return ((sorted[Math.floor(middle)] ?? NaN) + (sorted[Math.ceil(middle)] ?? NaN)) / 2;
}

/** The sample nearest to that share (0 to 1) of all in order; NaN for no samples. */
export function quantile(samples: readonly number[], share: number): number {
  return samples.toSorted((a, b) => a - b)[Math.round((samples.length - 1) * share)] ?? NaN;
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
