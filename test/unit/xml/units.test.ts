import { expect, test } from 'vitest';
import { bytesPerUnit, memoryBytes } from '../../../lib/xml/units.ts';

test.each([
  ['b', 1n],
  ['byte', 1n],
  ['bytes', 1n],
  ['KB', 1000n],
  ['k', 1024n],
  ['KiB', 1024n],
  ['MB', 1000n ** 2n],
  ['M', 1024n ** 2n],
  ['MiB', 1024n ** 2n],
  ['GB', 1000n ** 3n],
  ['GiB', 1024n ** 3n],
  ['TB', 1000n ** 4n],
  ['TiB', 1024n ** 4n],
  ['PiB', 1024n ** 5n],
  ['E', 1024n ** 6n],
])('a %s is %d bytes', (unit, bytes) => {
  expect(bytesPerUnit(unit)).toBe(bytes);
});

test.each(['kib', 'KIB', 'gIb', 'BYTES', 'g', 'mB'])('case does not count: %s', (unit) => {
  expect(bytesPerUnit(unit)).not.toBeNull();
});

test.each(['', ' ', 'K iB', 'KiBs', 'KBB', 'xiB', 'ib', 'bb', 'pages', '1', 'kİB'])('%j is no unit', (unit) => {
  expect(bytesPerUnit(unit)).toBeNull();
});

test('an amount is rounded up to a whole KiB', () => {
  expect(memoryBytes(1n, 1n)).toBe(1024);
  expect(memoryBytes(1024n, 1n)).toBe(1024);
  expect(memoryBytes(1025n, 1n)).toBe(2048);
  expect(memoryBytes(1n, 1000n ** 2n)).toBe(1000448);
});

test('an amount beyond the safe integers is not read', () => {
  expect(memoryBytes(8191n, 1024n ** 4n)).toBe(8191 * 1024 ** 4);
  expect(memoryBytes(8192n, 1024n ** 4n)).toBeNull();
});
