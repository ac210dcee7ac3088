/** Hypervisors that say nothing: the clock of a launch is a minute, so it runs for all of them at once. */
import { expect, test } from 'vitest';
import { patient } from '../setup/slowness.ts';
import { describeEndToEnd } from '../e2e/harness.ts';
import { createNeighbourhood, defineLight, expectUndisturbed } from '../e2e/neighbourhood.ts';

/** `patienceMs` of lib/daemon/launcher.ts, and what a busy machine adds. */
const clockMs = 60_000;
const moreMs = 15_000;

const behaviours = ['never-listens', 'never-greets', 'never-answers'];

describeEndToEnd('a hypervisor that never answers', () => {
  test('is killed after a minute, whatever it has not said, and disturbs nobody until then', async () => {
    await using host = await createNeighbourhood();
    const began = performance.now();
    const starting = behaviours.map(async (name) => {
      await defineLight(host, name);
      const failure = await host.client().start(name, {}).then(String, String);
      return { name, failure, ms: performance.now() - began };
    });
    for (const name of behaviours) await host.becomes(name, 'starting');
    await expectUndisturbed(host);
    for (const { name, failure, ms } of await Promise.all(starting)) {
      expect(failure, name).toMatch(/not ready within 600\d\d(\.\d+)? ms$/);
      expect(ms, name).toBeGreaterThan(clockMs);
      expect(ms, name).toBeLessThan(patient(clockMs + moreMs));
      const { lastOutcome } = await host.becomes(name, 'shut off');
      expect(lastOutcome, name).toMatchObject({ kind: 'failed', rung: 'SIGKILL', signal: 9 });
    }
    await expectUndisturbed(host);
  });

  test('can be destroyed before', async () => {
    await using host = await createNeighbourhood();
    await defineLight(host, 'never-greets');
    const starting = host.client().start('never-greets', {}).then(String, String);
    await host.becomes('never-greets', 'starting');
    await host.client().destroy('never-greets', { wait: 'off' });
    expect(await starting).toContain('it was destroyed while starting');
    expect((await host.info('never-greets')).lastOutcome).toMatchObject({ kind: 'destroyed' });
  });
});
