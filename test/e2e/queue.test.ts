/** Starts that wait for memory: first come, first served; nobody takes what is set aside for who came before. */
import { expect, test } from 'vitest';
import type { DomainRow, ResourcesAnswer } from '../../lib/client/contract.ts';
import { eventually, MiB } from './facts.ts';
import { createHost, describeEndToEnd, type Host, type HostOptions, type Running } from './harness.ts';
import { mayPromise } from './promises.ts';

const capacityGiB = 20;

/** A host of 20 GiB to promise, give or take what other programs do, with these domains defined (GiB). */
async function smallHost(domains: Readonly<Record<string, number>>, options: HostOptions = {}): Promise<Host> {
  const host = await createHost(options);
  await mayPromise(host, capacityGiB, { allowedPolicies: Object.keys(options.policies ?? {}) });
  for (const [name, gib] of Object.entries(domains)) await host.define({ name, memoryMiB: gib * 1024 });
  return host;
}

/** Begins to wait, and does. */
async function queue(host: Host, name: string, ...more: readonly string[]): Promise<Running> {
  const waiting = host.begin(['start', name, '--wait', '--paused', ...more]);
  await eventually(`${name} is queued`, async () => (await host.info(name)).queuedStart);
  return waiting;
}

async function queueOf(host: Host): Promise<string[]> {
  const rows = await host.json<DomainRow[]>('list', '--all');
  const queued = rows.flatMap((row) => (row.queued ? [row.queued] : []));
  return queued.toSorted((a, b) => a.position - b.position).map(({ name }) => name);
}

describeEndToEnd('the queue', () => {
  test('lets nobody overtake a big domain that waits, with or without --wait', async () => {
    await using host = await smallHost({ a: 9, b: 9, big: 17, small: 5 });
    for (const name of ['a', 'b']) await host.ok('start', name, '--paused');
    const big = await queue(host, 'big');
    const small = await queue(host, 'small');
    expect(await queueOf(host)).toEqual(['big', 'small']);
    await host.ok('destroy', 'a', '--wait');
    // There is room for the small one now, but for the big one before it.
    const why = await eventually('the small one has looked again', async () => {
      const { queued } = await host.info('small');
      return queued?.refusal?.message.includes("set aside for 'big'") && queued.refusal;
    });
    expect(why.code).toBe('MEMORY_SHORT');
    await host.define({ name: 'late', memoryMiB: 5 * 1024 });
    const late = await host.domctl(['start', 'late']);
    expect(late.exit).toBe(6);
    expect(late.stderr).toMatch(
      /^error: cannot start domain 'late': .* short beside what is set aside for 'big', 'small', queued before\nhint: /,
    );
    const table = await host.ok('resources');
    expect(table).toMatch(/^ - set aside +22\.\d GiB {3}2 queued starts$/m);
    expect(table).toMatch(/^ +1 +big +start +17\.0 GiB +\d+ m?s +\d+\.\d GiB of capacity missing/m);
    expect(table).toMatch(/^ +2 +small +start +5\.0 GiB +\d+ m?s +.* set aside for 'big', queued before$/m);

    await host.ok('destroy', 'b', '--wait');
    expect(await big.done).toMatchObject({ exit: 0, stdout: "Domain 'big' started (Id 3)\n" });
    expect(await queueOf(host)).toEqual(['small']);
    await host.ok('destroy', 'big', '--wait');
    expect(await small.done).toMatchObject({ exit: 0, stdout: "Domain 'small' started (Id 4)\n" });
  });

  test('goes on with the next when one is cancelled by name; its client ends with 130', async () => {
    await using host = await smallHost({ a: 15, big: 17, small: 3 });
    await host.ok('start', 'a', '--paused');
    const big = await queue(host, 'big');
    const small = await queue(host, 'small');
    expect(await host.ok('start', 'big', '--cancel')).toBe("Queued start of domain 'big' cancelled\n");
    const cancelled = await big.done;
    expect(cancelled.exit).toBe(130);
    expect(cancelled.stderr).toMatch(/^error: queued start of domain 'big' cancelled$/m);
    expect(await small.done).toMatchObject({ exit: 0, stdout: "Domain 'small' started (Id 2)\n" });
    expect((await host.domctl(['start', 'big', '--cancel'])).exit).toBe(4);
  });

  test('keeps its order through the death of the daemon', async () => {
    await using host = await smallHost({ a: 15, big: 17, small: 5 });
    await host.ok('start', 'a', '--paused');
    const clients = [await queue(host, 'big'), await queue(host, 'small')];
    await host.killDaemon();
    for (const { done } of clients) expect((await done).exit).toBe(9);
    await host.nextDaemon();
    expect(await queueOf(host)).toEqual(['big', 'small']);
    await host.ok('destroy', 'a', '--wait');
    expect(await host.becomes('big', 'paused')).toMatchObject({ id: 2 });
    expect(await queueOf(host)).toEqual(['small']);
    await host.ok('start', 'small', '--cancel');
    await eventually('it is cancelled', async () => (await queueOf(host)).length === 0);
  });

  test("gives up after the policy's queueTimeout (10), and nothing is started later", async () => {
    const policies = { hasty: { start: { queueTimeout: '700ms' } } };
    await using host = await smallHost({ a: 15 }, { policies });
    await host.define({ name: 'b', memoryMiB: 10 * 1024, policy: 'hasty' });
    await host.ok('start', 'a', '--paused');
    const { exit, stderr } = await host.domctl(['start', 'b', '--wait', '--paused']);
    expect(exit).toBe(10);
    expect(stderr).toMatch(/^error: deadline passed; cannot start domain 'b': \d+\.\d GiB of capacity missing/);
    await host.ok('destroy', 'a', '--wait');
    expect(host.journal().filter(({ kind }) => kind === 'launch')).toHaveLength(1);
    expect(await host.state('b')).toBe('shut off');
  });

  test('is seen by resources --watch, again and again', async () => {
    await using host = await smallHost({ a: 15, b: 10 });
    const watching = host.begin(['resources', '--watch', '--json']);
    const answers = (): ResourcesAnswer[] =>
      watching
        .stdout()
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as ResourcesAnswer);
    await eventually('it has said how it stands', () => answers().length > 0);
    expect(answers()[0]).toMatchObject({ queued: [], memory: { queuedBytes: 0 } });
    await host.ok('start', 'a', '--paused');
    const waiting = await queue(host, 'b');
    await eventually('it has seen who waits', () => answers().at(-1)?.queued[0]?.name === 'b');
    expect(answers().at(-1)?.memory?.queuedBytes).toBe((10 * 1024 + 17) * MiB);
    watching.kill('SIGINT');
    expect((await watching.done).exit).toBe(130);
    waiting.kill('SIGINT');
    expect((await waiting.done).exit).toBe(130);
  });

  test('is not for a domain that fits this host in no case', async () => {
    await using host = await smallHost({ giant: 30 });
    const { exit, stderr } = await host.domctl(['start', 'giant', '--wait']);
    expect(exit).toBe(6);
    expect(stderr).toMatch(/of capacity missing, draining or not$/m);
  });
});
