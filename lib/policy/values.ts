/**
 * Sizes, percentages and durations as policy files write them: pure parsers and formatters, inverse to each other.
 * Owns: units. Must not know: which key carries which unit.
 */
import type { Share } from './types.ts';

const sizeUnits = { TiB: 2 ** 40, GiB: 2 ** 30, MiB: 2 ** 20, KiB: 2 ** 10 } as const;
const durationUnits = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
const integer = '(?:0|[1-9][0-9]*)';

/** Regular expression source of a size: an integer and a unit. */
export const sizeSource = `${integer}(?:KiB|MiB|GiB|TiB)`;
/** Regular expression source of a percentage, with up to three decimals. */
export const percentSource = `${integer}(?:\\.[0-9]{1,3})?%`;
/** Regular expression source of a duration: an integer and a unit. */
export const durationSource = `${integer}(?:ms|s|m|h)`;

const sizePattern = new RegExp(`^${sizeSource}$`);
const percentPattern = new RegExp(`^${percentSource}$`);
const durationPattern = new RegExp(`^${durationSource}$`);

/** The longest duration: beyond 2^31 - 1 ms a timer of Node fires at once. */
export const longestDurationMs = 2 ** 31 - 1;

/** The least the host keeps for itself, whatever its configuration says. */
export const smallestReserveBytes = sizeUnits.GiB;

/** Bytes of a size such as `4GiB`; null when it is none or exceeds 2^53 - 1 bytes. */
export function parseSize(text: string): number | null {
  if (!sizePattern.test(text)) return null;
  const unit = sizeUnits[text.slice(-3) as keyof typeof sizeUnits];
  return atMost(Number.parseInt(text, 10) * unit, Number.MAX_SAFE_INTEGER);
}

/** Percent of a text such as `2%` or `0.2%`; null when it is none or exceeds 100. */
export function parsePercent(text: string): number | null {
  return percentPattern.test(text) ? atMost(Number(text.slice(0, -1)), 100) : null;
}

/** Milliseconds of a duration such as `10s`; null when it is none or exceeds `longestDurationMs`. */
export function parseDuration(text: string): number | null {
  if (!durationPattern.test(text)) return null;
  const unit = text.replace(/^[0-9]+/, '') as keyof typeof durationUnits;
  return atMost(Number.parseInt(text, 10) * durationUnits[unit], longestDurationMs);
}

/** A size or a percentage; null when it is neither. */
export function parseShare(text: string): Share | null {
  const bytes = parseSize(text);
  if (bytes !== null) return { kind: 'bytes', bytes };
  const percent = parsePercent(text);
  return percent === null ? null : { kind: 'percent', percent };
}

/** The shortest exact size; throws RangeError unless `bytes` is a whole number of KiB, as every parsed size is. */
export function formatSize(bytes: number): string {
  return inLargestUnit(bytes, sizeUnits, 'KiB');
}

/** A percentage as a policy file writes it, rounded to three decimals. */
export function formatPercent(percent: number): string {
  return `${Number(percent.toFixed(3))}%`;
}

/** The shortest exact duration; throws RangeError unless `ms` is a whole number of milliseconds. */
export function formatDuration(ms: number): string {
  return inLargestUnit(ms, durationUnits, 's');
}

/** A share as a policy file writes it. */
export function formatShare(share: Share): string {
  return share.kind === 'bytes' ? formatSize(share.bytes) : formatPercent(share.percent);
}

/** Bytes of a share of `ofBytes` (a safe integer), rounded down to a byte; exact for up to three decimals of percent. */
export function resolveShare(share: Share, ofBytes: number): number {
  if (share.kind === 'bytes') return share.bytes;
  const milliPercent = BigInt(Math.round(share.percent * 1000));
  return Number((BigInt(ofBytes) * milliPercent) / 100_000n);
}

/** Bytes a host of `memTotalBytes` keeps for itself: its `capacity.reserve`, at least 1 GiB. */
export function resolveReserve(reserve: Share, memTotalBytes: number): number {
  return Math.max(smallestReserveBytes, resolveShare(reserve, memTotalBytes));
}

function atMost(value: number, limit: number): number | null {
  return value <= limit ? value : null;
}

function inLargestUnit(value: number, units: Readonly<Record<string, number>>, zeroUnit: string): string {
  if (value === 0) return `0${zeroUnit}`;
  const unit = Object.entries(units).find(([, factor]) => value % factor === 0);
  if (unit === undefined || value < 0) throw new RangeError(`${value} has no exact unit`);
  return `${value / unit[1]}${unit[0]}`;
}
