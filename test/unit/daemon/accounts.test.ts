/** What is held, as one answer tells it. */
import { expect, test } from 'vitest';
import type { MemoryCharge } from '../../../cgroups/memory.ts';
import { Charges } from '../../../lib/daemon/accounts.ts';
import type { Supervisor } from '../../../lib/daemon/supervisor.ts';
import { known, unknown } from '../../../lib/reading.ts';

/** As much of one as is asked for: with each look at the kernel another page is held. */
function supervisor({ memoryIsGone = false } = {}): Supervisor {
  let looks = 0;
  const memory = () => {
    looks += 1;
    const charge: Partial<MemoryCharge> = { heldBytes: looks * 4096, anonBytes: looks * 4096, hugetlbBySize: {} };
    return known(charge);
  };
  return { memoryIsGone, cgroup: { memory } } as unknown as Supervisor;
}

test('in all and by kind it is of one reading, and the next answer is of another', () => {
  const one = supervisor();
  const charges = new Charges();
  expect(charges.held(one)).toEqual(known(4096));
  expect(charges.kinds(one)).toMatchObject({ anonBytes: 4096 });
  expect(charges.held(one)).toEqual(known(4096));
  expect(new Charges().held(one)).toEqual(known(8192));
});

test('of one that is proven gone nothing is read: it holds nothing, of no kind', () => {
  const charges = new Charges();
  const gone = supervisor({ memoryIsGone: true });
  expect(charges.held(gone)).toEqual(known(0));
  expect(charges.kinds(gone)).toBeNull();
});

test('what cannot be read is unknown, with its reason', () => {
  const lost = { memoryIsGone: false, cgroup: { memory: () => unknown('no memory.stat') } } as unknown as Supervisor;
  const charges = new Charges();
  expect(charges.held(lost)).toEqual(unknown('no memory.stat'));
  expect(charges.kinds(lost)).toBeNull();
});
