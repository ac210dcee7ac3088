import { describe, expect, test } from 'vitest';
import { DrainTracker, type Progress } from '../../../lib/drain/progress.ts';

const GiB = 2 ** 30;

function progressOf(...samples: readonly [atMs: number, heldBytes: number][]): Progress {
  const tracker = new DrainTracker();
  for (const [atMs, heldBytes] of samples) tracker.add({ atMs, heldBytes });
  if (!tracker.progress) throw new Error('no samples');
  return tracker.progress;
}

describe('progress', () => {
  test('is nothing before the first sample', () => {
    expect(new DrainTracker().progress).toBeNull();
  });

  test('has no rate at the first sample, nor over a moment', () => {
    expect(progressOf([0, 10 * GiB])).toEqual({
      fromBytes: 10 * GiB,
      fromMs: 0,
      heldBytes: 10 * GiB,
      rateBytes: null,
      etaMs: null,
      lastFallMs: 0,
    });
    expect(progressOf([0, 10 * GiB], [49, 9 * GiB])).toMatchObject({ rateBytes: null, etaMs: null });
  });

  test('is bytes a second, and what is left at that rate', () => {
    expect(progressOf([1000, 10 * GiB], [1500, 8 * GiB])).toEqual({
      fromBytes: 10 * GiB,
      fromMs: 1000,
      heldBytes: 8 * GiB,
      rateBytes: 4 * GiB,
      etaMs: 2000,
      lastFallMs: 1500,
    });
  });

  test('without a falling byte has rate zero and no expectation', () => {
    expect(progressOf([0, GiB], [100, GiB])).toMatchObject({ rateBytes: 0, etaMs: null, lastFallMs: 0 });
  });

  test('is not negative while memory grows', () => {
    expect(progressOf([0, GiB], [100, 2 * GiB])).toMatchObject({ heldBytes: 2 * GiB, rateBytes: 0, etaMs: null });
  });

  test('looks back three seconds only: an old burst says nothing of now', () => {
    expect(progressOf([0, 100 * GiB], [1000, 10 * GiB], [4000, 10 * GiB], [5000, 9 * GiB])).toMatchObject({
      fromBytes: 100 * GiB,
      rateBytes: GiB,
      etaMs: 9000,
    });
  });

  test('falls only below what was lowest: rising and falling back is none', () => {
    expect(progressOf([0, 5], [100, 3], [200, 6], [300, 4])).toMatchObject({ lastFallMs: 100 });
    expect(progressOf([0, 5], [100, 3], [200, 6], [300, 2])).toMatchObject({ lastFallMs: 300 });
  });

  const MiB = 2 ** 20;

  test('is no fall by less than a mebibyte, or by less than a 64th of what is small', () => {
    expect(progressOf([0, GiB], [9000, GiB - 4096], [18_000, GiB - 900_000])).toMatchObject({ lastFallMs: 0 });
    expect(progressOf([0, GiB], [9000, GiB - MiB])).toMatchObject({ lastFallMs: 9000 });
    expect(progressOf([0, 6 * MiB], [9000, 6 * MiB - 90_000])).toMatchObject({ lastFallMs: 0 });
    expect(progressOf([0, 6 * MiB], [9000, 6 * MiB - 100_000])).toMatchObject({ lastFallMs: 9000 });
  });

  test('counts a drip once it has come to that much, and has its rate all along', () => {
    const drip = [0, 1, 2, 3, 4, 5].map((step): [number, number] => [step * 300, GiB - step * 256 * 1024]);
    expect(progressOf(...drip.slice(0, 4))).toMatchObject({ lastFallMs: 0, rateBytes: 873_813 });
    expect(progressOf(...drip.slice(0, 5))).toMatchObject({ lastFallMs: 1200 });
    expect(progressOf(...drip)).toMatchObject({ lastFallMs: 1200, rateBytes: 873_813 });
  });

  test('counts the last bytes however few they are', () => {
    expect(progressOf([0, GiB], [1000, 4096], [9000, 0])).toMatchObject({ lastFallMs: 9000 });
  });

  test('at zero expects no more time', () => {
    expect(progressOf([0, GiB], [1000, 0])).toMatchObject({ heldBytes: 0, etaMs: 0 });
  });
});
