import { expect, test } from 'vitest';
import { lackingDriver } from '../../../lib/qemu/lacking-driver.ts';

test.each([
  ['qemu-system-x86_64: -blockdev {"driver":"rbd"}: Unknown driver \'rbd\'', 'rbd'],
  ["qemu-system-x86_64: -blockdev x: Parameter 'driver' does not accept value 'iscsi'", 'iscsi'],
  ['qemu-system-x86_64: Failed to get "write" lock', null],
  [null, null],
])('%j is about the block driver %j', (said, driver) => {
  expect(lackingDriver(said)).toBe(driver);
});
