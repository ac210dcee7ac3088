/** Who any machine says it is, and which threads serve its disks. */
import { fc } from '@fast-check/vitest';
import type { IoThread } from '../../lib/domain/iothreads.ts';
import { sysinfoNames, type Sysinfo, type SysinfoEntries } from '../../lib/domain/sysinfo.ts';
import { maybe, number, word } from './arbitrary.ts';

function entries(names: readonly string[]): fc.Arbitrary<SysinfoEntries> {
  const one = fc.record({ name: fc.constantFrom(...names.filter((name) => name !== 'uuid')), value: word });
  return fc.uniqueArray(one, { selector: ({ name }) => name, maxLength: 3 });
}

export const sysinfo: fc.Arbitrary<Sysinfo> = fc.record({
  bios: entries(sysinfoNames.bios),
  system: entries(sysinfoNames.system),
  baseBoards: fc.array(entries(sysinfoNames.baseBoard), { maxLength: 2 }),
  chassis: entries(sysinfoNames.chassis),
  oemStrings: fc.array(word, { maxLength: 2 }),
});

const iothread: fc.Arbitrary<IoThread> = fc
  .record({
    id: number(1, 65535),
    pool: maybe(fc.tuple(number(0, 8), number(8, 65535))),
    poll: maybe(fc.record({ maxNs: maybe(number(0, 65535)), grow: maybe(number(0, 9)), shrink: maybe(number(0, 9)) })),
  })
  .map(({ id, pool, poll }) => ({ id, poolMin: pool?.[0] ?? null, poolMax: pool?.[1] ?? null, poll }));

export const iothreads = fc.uniqueArray(iothread, { selector: ({ id }) => id, maxLength: 3 });
