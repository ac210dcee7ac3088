/** The arithmetic of a force-start as people read it. */
import { expect, test } from 'vitest';
import { renderArithmetic, renderBrake } from '../../../lib/cli/render/memory.ts';

const mib = 2 ** 20;

test.each([
  [256, 448, '0.4 GiB   0.3 GiB + 0.1 GiB overhead'],
  [512, 704, '0.7 GiB   0.5 GiB + 0.2 GiB overhead'],
  [512 * 1024, 513.7 * 1024, '513.7 GiB   512.0 GiB + 1.7 GiB overhead'],
])('%d MiB of %d MiB: what is shown adds up', (memoryMib, promisedMib, words) => {
  const lines = renderArithmetic({
    name: 'db1',
    arithmetic: {
      queuedBytes: 0,
      promisedLiveBytes: 0,
      heldDrainingBytes: 0,
      promisedNewBytes: promisedMib * mib,
      capacityBytes: 1000 * 1024 * mib,
      ...{ shortfallBytes: 0, structuralBytes: 0, class: 'lazy' as const },
    },
    policy: 'balanced',
    allowedShortfallBytes: 0,
    allowedShortfall: '25%',
    overIncarnations: [],
    overBytes: 0,
    memoryBytes: memoryMib * mib,
  });
  expect(lines.split('\n')[2]).toMatch(new RegExp(`^\\+ promised to db1 +${words.replaceAll('+', '\\+')}$`));
});

test.each([
  [
    { limitBytes: 301_260 * mib, allInMs: 9000 },
    'Braked: db1 begins with 294.2 GiB of 513.7 GiB, all of it in about 9 s\n',
  ],
  [{ limitBytes: 301_260 * mib, allInMs: null }, 'Braked: db1 begins with 294.2 GiB of 513.7 GiB\n'],
  [null, ''],
])('a start that begins with %j says so', (brake, line) => {
  const arithmetic = {
    ...{
      promisedLiveBytes: 0,
      queuedBytes: 0,
      heldDrainingBytes: 0,
      promisedNewBytes: 526_029 * mib,
      capacityBytes: 0,
    },
    ...{ shortfallBytes: 0, structuralBytes: 0, class: 'lazy' as const },
  };
  expect(renderBrake({ name: 'db1', arithmetic, brake })).toBe(line);
});
