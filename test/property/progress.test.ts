/** A drain's progress, whatever is read of it. */
import { fc, test } from '@fast-check/vitest';
import { expect } from 'vitest';
import { DrainTracker, type Sample } from '../../lib/drain/progress.ts';

const steps: fc.Arbitrary<Sample[]> = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 4000 }), fc.nat({ max: 2 ** 44 })), {
    minLength: 1,
    maxLength: 30,
    size: 'max',
  })
  .map((pairs) => {
    let atMs = 0;
    return pairs.map(([ms, heldBytes]) => ({ atMs: (atMs += ms), heldBytes }));
  });

test.prop([steps])('progress never has a negative or broken figure, nor an end without a rate', (samples) => {
  const tracker = new DrainTracker();
  for (const sample of samples) {
    tracker.add(sample);
    const { progress } = tracker;
    expect(progress).toMatchObject({ heldBytes: sample.heldBytes, fromBytes: samples[0]?.heldBytes });
    const { rateBytes, etaMs, lastFallMs } = progress ?? { rateBytes: -1, etaMs: -1, lastFallMs: Number.NaN };
    const sound =
      (rateBytes ?? 0) >= 0 &&
      (etaMs ?? 0) >= 0 &&
      Number.isSafeInteger(etaMs ?? 0) &&
      (etaMs === null) === !rateBytes &&
      lastFallMs <= sample.atMs;
    if (!sound) expect.fail(`${rateBytes} B/s, ${etaMs} ms left, last fall at ${lastFallMs} of ${sample.atMs} ms`);
  }
});
