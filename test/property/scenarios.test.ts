/** The shipped scenarios, by their arithmetic. */
import { expect, test } from 'vitest';
import { renderSimulation } from '../../lib/cli/render/simulation.ts';
import { packageDir } from '../../lib/places.ts';
import { type PolicyRun, simulateFile } from '../../lib/simulation/simulate.ts';
import { readTranscript } from '../e2e/transcript.ts';

const places = { configDir: '/nowhere', shippedDir: `${packageDir()}/policies` };

const names = ['restart-1tib', 'restart-16tib', 'restart-pinned', 'stalled-drain'] as const;
const simulations = new Map(
  await Promise.all(names.map(async (name) => [name, await simulateFile(name, places)] as const)),
);

function runsOf(name: (typeof names)[number]): Record<string, PolicyRun> {
  return Object.fromEntries((simulations.get(name)?.runs ?? []).map((run) => [run.policy, run]));
}

test('strict waits for the whole drain: 1 TiB and its overhead at 13 GiB/s, and ten seconds of boot', () => {
  const { strict } = runsOf('restart-1tib');
  const drainMs = (1026.6875 / 13) * 1000;
  expect(strict?.downtimeMs?.longest).toBeGreaterThan(drainMs + 10_000);
  expect(strict?.downtimeMs?.longest).toBeLessThan(drainMs + 10_300);
  expect(strict).toMatchObject({ verb: 'start', brakedMs: 0, heldBackMs: 0 });
});

test('restart-first begins at once, and is held back by the brake and not by a neighbour', () => {
  const { 'restart-first': first } = runsOf('restart-1tib');
  expect(first?.downtimeMs?.longest).toBeLessThan(10_500);
  expect(first?.brakedMs).toBeGreaterThan(first?.heldBackMs ?? Number.NaN);
  expect(first?.heldBackMs).toBeGreaterThan(0);
});

test('16 TiB: twenty-one minutes without force-start, twenty-one seconds with it', () => {
  const runs = runsOf('restart-16tib');
  expect(Math.floor((runs['strict']?.downtimeMs?.longest ?? 0) / 60_000)).toBe(21);
  expect(Math.round((runs['restart-first']?.downtimeMs?.longest ?? 0) / 1000)).toBe(21);
});

test('preallocated memory is never braked: no policy is earlier than the room for it', () => {
  const runs = runsOf('restart-pinned');
  expect(runs['restart-first']).toMatchObject({ brakedMs: 0 });
  expect(runs['restart-first']?.downtimeMs).toEqual(runs['balanced']?.downtimeMs);
  expect(runs['balanced']?.downtimeMs?.longest).toBeLessThan(runs['strict']?.downtimeMs?.longest ?? 0);
});

test('a drain that stands still holds back who began over it, for as long', () => {
  const runs = runsOf('stalled-drain');
  expect(runs['strict']?.downtimeMs?.longest).toBeGreaterThan(30_000 + (512 / 13) * 1000);
  expect(runs['restart-first']?.brakedMs).toBeGreaterThan(30_000);
});

test.each(names)('%s: the peak stays within the bound', (name) => {
  for (const run of Object.values(runsOf(name))) expect(run.peakBytes).toBeLessThanOrEqual(run.boundBytes);
});

test('docs/force-start.md: the table is what it is today, to the byte', () => {
  const step = readTranscript(`${packageDir()}/docs/force-start.md`).find(({ command }) =>
    command.includes('simulate'),
  );
  expect(step?.command).toBe('domctl simulate restart-1tib');
  const simulation = simulations.get('restart-1tib');
  expect(simulation && renderSimulation(simulation).trimEnd().split('\n')).toEqual(step?.output);
});
