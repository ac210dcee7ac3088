import { expect, test } from 'vitest';
import { processorVendor } from '../../../lib/host/processor.ts';

test.each([
  ['processor\t: 0\nvendor_id\t: GenuineIntel\n', 'Intel'],
  ['vendor_id\t: AuthenticAMD\n', 'AMD'],
  ['vendor_id\t: CentaurHauls\n', 'CentaurHauls'],
  ['processor\t: 0\n', null],
])('%j is a processor of %j', (cpuinfo, vendor) => {
  expect(processorVendor(cpuinfo)).toBe(vendor);
});
