/** Two daemons on one host, each with a root of its own: they share its memory, and never promise the same bytes. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { eventually, MiB } from './facts.ts';
import { createHost, describeEndToEnd, type Host, type HostOptions } from './harness.ts';
import { mayPromise } from './promises.ts';

const GiB = 1024 * MiB;
const capacityGiB = 20;
const domainGiB = 12;

function sharedDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'promises-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/** A daemon that may promise some 20 GiB, with two domains of 12 GiB. */
async function neighbour(options: HostOptions): Promise<Host> {
  const host = await createHost(options);
  await mayPromise(host, capacityGiB);
  for (const name of ['one', 'two']) await host.define({ name, memoryMiB: domainGiB * 1024 });
  return host;
}

async function promisedElsewhere(host: Host): Promise<number> {
  return (await host.client().resources()).memory!.elsewhereBytes / GiB;
}

describeEndToEnd('two daemons of one host', () => {
  test('do not promise the same bytes, and say what the other has promised', async () => {
    const promisesDir = sharedDirectory();
    await using left = await neighbour({ promisesDir });
    await using right = await neighbour({ promisesDir });
    await left.ok('start', 'one', '--paused');
    expect(await promisedElsewhere(right)).toBeGreaterThan(domainGiB - 1);
    expect(await promisedElsewhere(left)).toBe(0);
    expect(await right.ok('resources')).toMatch(/^ - other daemons +1[12]\.\d GiB {3}promised by them, not used yet$/m);
    const refused = await right.domctl(['start', 'one', '--paused']);
    expect(refused.exit).toBe(6);
    expect(refused.stderr).toMatch(/GiB of capacity missing/);

    await left.ok('destroy', 'one', '--wait');
    expect(await promisedElsewhere(right)).toBe(0);
    await right.ok('start', 'one', '--paused');
    expect((await left.domctl(['start', 'one', '--paused'])).exit).toBe(6);
    await right.ok('destroy', 'one', '--wait');
    expect(existsSync(promisesDir)).toBe(false);
  });

  test('that are asked at once admit one at most', async () => {
    const promisesDir = sharedDirectory();
    await using left = await neighbour({ promisesDir });
    await using right = await neighbour({ promisesDir });
    for (let round = 0; round < 5; round += 1) {
      const starts = await Promise.all([left, right].map(async (host) => host.domctl(['start', 'one', '--paused'])));
      const admitted = starts.filter(({ exit }) => exit === 0).length;
      expect(admitted).toBeLessThanOrEqual(1);
      for (const { exit } of starts) expect([0, 6]).toContain(exit);
      await Promise.all([left, right].map(async (host) => host.domctl(['destroy', 'one', '--wait'])));
    }
  });

  test('that was killed is believed for as long as its machines live', async () => {
    const promisesDir = sharedDirectory();
    await using left = await neighbour({ promisesDir });
    await using right = await neighbour({ promisesDir });
    await left.ok('start', 'one', '--paused');
    const { pid } = await left.info('one');
    const daemon = await left.daemonPid();
    process.kill(daemon, 'SIGKILL');
    await eventually('the daemon is gone', async () => !(await left.isDaemonUp()));
    expect(await promisedElsewhere(right)).toBeGreaterThan(domainGiB - 1);
    expect((await right.domctl(['start', 'one', '--paused'])).exit).toBe(6);
    process.kill(pid!, 'SIGKILL');
    await eventually('nothing stands of its promises', async () => (await promisedElsewhere(right)) === 0);
    expect(existsSync(promisesDir)).toBe(false);
    await right.ok('start', 'one', '--paused');
    await left.nextDaemon();
  });

  test('start nothing over promises that cannot be understood', async () => {
    const promisesDir = sharedDirectory();
    await using host = await neighbour({ promisesDir });
    writeFileSync(join(promisesDir, 'other.json'), '{"root":');
    const refused = await host.domctl(['start', 'one', '--paused']);
    expect(refused.exit).toBe(4);
    expect(refused.stderr).toContain(
      `unknown is not zero: promises of another daemon: ${join(promisesDir, 'other.json')}: `,
    );
    rmSync(join(promisesDir, 'other.json'));
    await host.ok('start', 'one', '--paused');
  });
});
