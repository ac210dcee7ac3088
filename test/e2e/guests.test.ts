/** Guests before the host goes down: asked side by side, one deadline for all, and the truth about who remains. */
import { writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { eventually, isAlive } from './facts.ts';
import { createHost, describeEndToEnd } from './harness.ts';

describeEndToEnd('guests stop', () => {
  test('shuts down all that run, says a line for each, and leaves the others alone', async () => {
    await using host = await createHost();
    const emulator = host.oddQemu('polite');
    for (const name of ['web1', 'web2']) await host.run({ name, emulator });
    await host.define({ name: 'off', emulator });
    const said = (await host.ok('guests', 'stop')).trimEnd().split('\n');
    expect(said[0]).toBe("Shutting down 2 guests: 'web1' (Id 1), 'web2' (Id 2)");
    for (const name of ['web1', 'web2']) {
      expect(said).toContainEqual(
        expect.stringMatching(new RegExp(`^'${name}' (shut down after [\\d.]+ m?s|has ended)$`)),
      );
      expect((await host.becomes(name, 'shut off')).lastOutcome).toMatchObject({ kind: 'shutdown' });
    }
    expect(await host.ok('guests', 'stop')).toBe('No guest is running\n');
    expect(await host.json('guests', 'stop')).toEqual({ stopped: [], remaining: [] });
  });

  test('leaves those that do not obey, and names them with exit 10', async () => {
    await using host = await createHost();
    await host.run({ name: 'deaf', emulator: host.oddQemu('stubborn') });
    await host.run({ name: 'good', emulator: host.oddQemu('polite') });
    const { exit, stdout, stderr } = await host.domctl(['guests', 'stop', '--timeout', '1s', '--parallel', '1']);
    expect(exit).toBe(10);
    expect(stderr).toBe(
      "error: still running: deaf, good\nhint: 'domctl guests stop --on-timeout destroy' ends them\n",
    );
    // One at a time: the first took all of the time there was.
    expect(stdout).toContain("'good' was not asked: no time is left\n");
    expect(await host.state('good')).toBe('running');
    const second = await host.domctl(['guests', 'stop', '--timeout', '1s', '--json']);
    expect(JSON.parse(second.stdout)).toMatchObject({
      error: { code: 'DEADLINE_PASSED', details: { stopped: ['good'], remaining: ['deaf'] } },
    });
  });

  test('ends what remains when told to', async () => {
    await using host = await createHost({ policies: { quick: { destroy: { killAfter: '200ms' } } } });
    const { pid } = await host.run({ name: 'deaf', emulator: host.oddQemu('stubborn'), policy: 'quick' });
    const said = await host.ok('guests', 'stop', '--timeout', '300ms', '--on-timeout', 'destroy');
    expect(said).toContain("'deaf': destroyed\n");
    expect(isAlive(pid!)).toBe(false);
  });

  test('says at once of a paused guest that it cannot be asked', async () => {
    await using host = await createHost();
    await host.run({ name: 'web1', emulator: host.oddQemu('pauses') });
    await host.ok('shutdown', 'web1');
    await host.becomes('web1', 'paused');
    const { exit, stdout, ms } = await host.domctl(['guests', 'stop', '--timeout', '60s']);
    expect(exit).toBe(10);
    expect(stdout).toContain("'web1' is paused: it cannot be asked\n");
    expect(ms).toBeLessThan(30_000);
  });

  test('waits for one that is being started', async () => {
    await using host = await createHost();
    const emulator = host.oddQemu('late');
    await host.define({ name: 'slow', emulator });
    const starting = host.begin(['start', 'slow']);
    await host.becomes('slow', 'starting');
    const stopping = host.begin(['guests', 'stop', '--timeout', '2s']);
    await eventually('it is counted', () => stopping.stdout().includes("1 guest: 'slow' (Id 1)"));
    writeFileSync(`${emulator}.go`, '');
    expect((await starting.done).exit).toBe(0);
    // This one hears the power button and does nothing: started, asked, and named as what remains.
    const { exit, stderr } = await stopping.done;
    expect({ exit, stderr: stderr.split('\n')[0] }).toEqual({ exit: 10, stderr: 'error: still running: slow' });
  });

  test('refuses a number of guests that is none', async () => {
    await using host = await createHost();
    expect((await host.domctl(['guests', 'stop', '--parallel', '-1'])).exit).toBe(2);
    expect((await host.domctl(['guests', 'stop', '--timeout', 'soon'])).exit).toBe(2);
  });
});
