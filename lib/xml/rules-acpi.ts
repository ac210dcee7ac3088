/** Rules on how firmware names devices. */
import { devicesAt, type Known } from './known.ts';
import type { Problem } from './problems.ts';
import { repeats, when, type Ruled } from './rule.ts';

/** Each number once. */
export function brokenAcpi(known: Known, { disks, interfaces }: Ruled): Problem[] {
  const isRepeated = repeats([...disks, ...interfaces].map(({ acpiIndex }) => acpiIndex));
  const elements = [...devicesAt(known, '/domain/devices/disk'), ...devicesAt(known, '/domain/devices/interface')];
  return elements.flatMap((element, index) => {
    const key = index < disks.length ? '/domain/devices/disk/acpi' : '/domain/devices/interface/acpi';
    return when(isRepeated(index), element, key, 'another device has this index', 'give each its own number');
  });
}
