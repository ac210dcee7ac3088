/** Rules on how firmware names devices. */
import { devicesAt, type Known } from './known.ts';
import type { Problem } from './problems.ts';
import { repeats, when, type Ruled } from './rule.ts';

const keys = ['/domain/devices/disk', '/domain/devices/interface', '/domain/devices/video'] as const;

/** Each number once. */
export function brokenAcpi(known: Known, { disks, interfaces, videos }: Ruled): Problem[] {
  const isRepeated = repeats([...disks, ...interfaces, ...videos].map(({ acpiIndex }) => acpiIndex));
  const elements = keys.flatMap((key) => devicesAt(known, key).map((element) => ({ element, key })));
  return elements.flatMap(({ element, key }, index) =>
    when(isRepeated(index), element, `${key}/acpi`, 'another device has this index', 'give each its own number'),
  );
}
