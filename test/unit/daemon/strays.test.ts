/** What is taken of a machine of which no record tells. */
import { expect, test } from 'vitest';
import { usualClocks, usualOverhead } from '../../../lib/daemon/strays.ts';
import { loadHostConfig, loadPolicy } from '../../../lib/policy/load.ts';
import { shippedDir } from '../policy/places.ts';

const places = { configDir: '/nowhere', shippedDir };

test('its clocks and its overhead are those of the shipped policy and host configuration', async () => {
  const { destroy, teardown } = (await loadPolicy('balanced', places)).value;
  expect(usualClocks).toEqual({ ...destroy, stalledAfterMs: teardown.stalledAfterMs });
  expect(usualOverhead).toEqual((await loadHostConfig(places)).value.overhead);
});
