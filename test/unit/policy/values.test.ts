import { describe, expect, test } from 'vitest';
import {
  formatDuration,
  formatPercent,
  formatShare,
  formatSize,
  parseDuration,
  parsePercent,
  parseShare,
  parseSize,
  resolveReserve,
  resolveShare,
} from '../../../lib/policy/values.ts';

const GiB = 2 ** 30;

describe('a size', () => {
  test.each([
    ['0KiB', 0],
    ['1KiB', 1024],
    ['192MiB', 192 * 2 ** 20],
    ['4GiB', 4 * GiB],
    ['8191TiB', 8191 * 2 ** 40],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each([
    '',
    '1',
    '1GB',
    '1 GiB',
    '1.5GiB',
    '-1GiB',
    '01GiB',
    '1gib',
    'GiB',
    '1GiB ',
    '8192TiB',
    `${'9'.repeat(20)}KiB`,
  ])('is not %j', (text) => {
    expect(parseSize(text)).toBeNull();
  });

  test('is printed in the largest exact unit', () => {
    expect([0, 1024, 1536 * 2 ** 20, 4 * GiB].map(formatSize)).toEqual(['0KiB', '1KiB', '1536MiB', '4GiB']);
  });

  test('that is no whole number of KiB has no form', () => {
    expect(() => formatSize(1000)).toThrow(RangeError);
  });
});

describe('a duration', () => {
  test.each([
    ['0s', 0],
    ['250ms', 250],
    ['10s', 10_000],
    ['5m', 300_000],
    ['596h', 2_145_600_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each(['', '10', '10 s', '1.5s', '-1s', '1d', 's', 'never', '597h'])('is not %j', (text) => {
    expect(parseDuration(text)).toBeNull();
  });

  test('is printed in the largest exact unit', () => {
    expect([0, 1, 1500, 90_000, 3_600_000].map(formatDuration)).toEqual(['0s', '1ms', '1500ms', '90s', '1h']);
  });
});

describe('a percentage', () => {
  test.each([
    ['0%', 0],
    ['0.2%', 0.2],
    ['25%', 25],
    ['100%', 100],
  ])('%s is %d', (text, percent) => {
    expect(parsePercent(text)).toBe(percent);
  });

  test.each(['', '25', '25 %', '-1%', '101%', '100.001%', '.5%', '1.2345%', '1e1%'])('is not %j', (text) => {
    expect(parsePercent(text)).toBeNull();
  });

  test('is printed without an exponent', () => {
    expect([0.001, 2, 12.5].map(formatPercent)).toEqual(['0.001%', '2%', '12.5%']);
  });
});

describe('a share', () => {
  test('is a size or a percentage', () => {
    expect(parseShare('4GiB')).toEqual({ kind: 'bytes', bytes: 4 * GiB });
    expect(parseShare('25%')).toEqual({ kind: 'percent', percent: 25 });
    expect(parseShare('25')).toBeNull();
  });

  test('is printed as it was written', () => {
    expect(['4GiB', '0.2%'].map((text) => formatShare(parseShare(text) ?? fail()))).toEqual(['4GiB', '0.2%']);
  });

  test('of bytes does not depend on the whole', () => {
    expect(resolveShare({ kind: 'bytes', bytes: 5 }, 1)).toBe(5);
  });

  test.each([
    [25, 1003, 250],
    [0.2, 1000, 2],
    [0.2, 499, 0],
    [100, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    [0, Number.MAX_SAFE_INTEGER, 0],
    [33.333, 2 ** 50, 375_296_215_947_851],
  ])('of %d percent of %d bytes is rounded down to %d', (percent, whole, bytes) => {
    expect(resolveShare({ kind: 'percent', percent }, whole)).toBe(bytes);
  });
});

test("a host's reserve is its share of the memory, and at least 1 GiB", () => {
  expect(resolveReserve({ kind: 'percent', percent: 2 }, 1000 * GiB)).toBe(20 * GiB);
  expect(resolveReserve({ kind: 'percent', percent: 2 }, 8 * GiB)).toBe(GiB);
});

function fail(): never {
  throw new Error('no share');
}
