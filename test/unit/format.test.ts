import { describe, expect, test } from 'vitest';
import { formatBytes, formatElapsed, formatRate, formatRemaining, oneLine } from '../../lib/format.ts';

const GiB = 2 ** 30;
const MiB = 2 ** 20;

describe('a size', () => {
  test.each([
    [0, '0.0 GiB'],
    [52 * MiB, '0.1 GiB'],
    [300 * GiB, '300.0 GiB'],
    [1007 * GiB, '1007.0 GiB'],
    [16 * 1024 * GiB, '16384.0 GiB'],
    [-5 * GiB, '-5.0 GiB'],
  ])('of %d bytes is %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe('a rate', () => {
  test.each([
    [24.2 * GiB, '24.2 GiB/s'],
    [GiB / 10, '0.1 GiB/s'],
    [50 * MiB, '50.0 MiB/s'],
    [0, '0.0 GiB/s'],
  ])('of %d is %s', (rate, text) => {
    expect(formatRate(rate)).toBe(text);
  });
});

describe('a measured time', () => {
  test.each([
    [0, '0 ms'],
    [2.4, '2 ms'],
    [940, '940 ms'],
    [1000, '1.0 s'],
    [21_240, '21.2 s'],
    [119_900, '119.9 s'],
    [120_000, '2 min 0 s'],
    [725_000, '12 min 5 s'],
  ])('of %d ms is %s', (ms, text) => {
    expect(formatElapsed(ms)).toBe(text);
  });

  test('of almost a second is not a thousand milliseconds', () => {
    expect(formatElapsed(999.6)).toBe('1.0 s');
  });
});

describe('an expected time', () => {
  test.each([
    [0, '1 s'],
    [400, '1 s'],
    [12_300, '12 s'],
    [119_400, '119 s'],
    [119_600, '2 min 0 s'],
    [725_000, '12 min 5 s'],
  ])('of %d ms is %s, and never none', (ms, text) => {
    expect(formatRemaining(ms)).toBe(text);
  });
});

describe('words of others', () => {
  test.each([
    ['no such file', 'no such file'],
    ['größer 🐧', 'größer 🐧'],
    ['a\u001b[2Jb\nc', 'a [2Jb c'],
    ['\u202egnp.exe', ' gnp.exe'],
    ['x'.repeat(20), 'x'.repeat(20)],
    ['x'.repeat(21), `${'x'.repeat(20)}…`],
  ])('%j are shown as %j', (text, shown) => {
    expect(oneLine(text, 20)).toBe(shown);
  });
});
