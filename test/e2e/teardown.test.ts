/** What gives the memory back: which helper an incarnation has, that it is in its sandbox, and what follows when it is not. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import type { DomainStats } from '../../lib/client/figures.ts';
import type { DomainInfo, DrainAnswer } from '../../lib/client/contract.ts';
import { eventually, isAlive, MiB, statusField, zombiesOf } from './facts.ts';
import { createHost, describeEndToEnd, type Host, nobody } from './harness.ts';

const sizes = { minimumSize: '1MiB' } as const;

function hostWith(teardown: object, destroy: object = {}): Promise<Host> {
  return createHost({
    policies: { mine: { teardown: { ...sizes, ...teardown }, destroy } },
    hostYaml: { defaultPolicy: 'mine', allowedPolicies: ['mine'] },
  });
}

function helperOf({ incarnations: [current] }: DomainInfo): { word: string; pid: number } {
  return { word: current?.helper ?? '', pid: current?.helperPid ?? 0 };
}

function filesOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
}

/** Of the session, as the scheduler weighs it (sched(7), autogroup). */
function sessionNice(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/autogroup`, 'utf8').split(' nice ')[1]);
}

describeEndToEnd('the teardown helper', () => {
  test('is preloaded and in its sandbox before the guest runs, and leaves nothing', async () => {
    await using host = await hostWith({});
    const running = await host.run({ name: 'db1', memoryMiB: 512, shared: true });
    const { word, pid } = helperOf(running);
    expect(word).toBe('preload, sandboxed');
    expect(
      Object.fromEntries(
        ['Uid', 'Seccomp', 'NoNewPrivs', 'CapEff'].map((field) => [field, statusField(pid, field)?.trim()]),
      ),
    ).toEqual({
      Uid: `${nobody} ${nobody} ${nobody} ${nobody}`,
      Seccomp: '2',
      NoNewPrivs: '1',
      CapEff: '0000000000000000',
    });
    expect(filesOf(running.pid!).filter((file) => file.includes('libasyncteardown'))).toEqual([]);
    await host.ok('destroy', 'db1', '--wait');
    expect(isAlive(pid)).toBe(false);
    const daemon = await host.daemonPid();
    await eventually('no zombie is left', () => zombiesOf(daemon).length === 0);
    const stats = await host.json<DomainStats>('domstats', 'db1');
    expect(stats.domctl.teardownUs).toBeGreaterThan(0);
  });

  test('is what the policy names: QEMU’s own, or none', async () => {
    await using host = await hostWith({ helper: 'qemu' });
    host.writePolicy('bare', { teardown: { ...sizes, helper: 'none' } });
    host.writeHostYaml({ defaultPolicy: 'mine', allowedPolicies: ['mine', 'bare'], security: { user: 'nobody' } });
    expect(helperOf(await host.run({ name: 'a' })).word).toBe('qemu, outside the sandbox');
    expect(helperOf(await host.run({ name: 'b', policy: 'bare' }))).toEqual({ word: 'none', pid: 0 });
  });

  test('that an emulator does not take is refused by name where the policy wants no other', async () => {
    await using host = await hostWith({ helper: 'preload' });
    const emulator = host.oddQemu('polite');
    await host.define({ name: 'db1', emulator });
    const refused = await host.domctl(['start', 'db1']);
    expect(refused.exit).toBe(8);
    expect(refused.stderr).toContain(`policy asks for teardown.helper: preload, but ${emulator} `);
    host.writePolicy('mine', { teardown: sizes });
    await host.ok('start', 'db1');
  });

  test('has a share of the processors for each of its threads, unless it is to be gentle', async ({ skip }) => {
    if (!existsSync('/proc/self/autogroup')) skip('this kernel does not schedule by sessions');
    await using host = await hostWith({ threads: 2 });
    host.writePolicy('slow', { teardown: { ...sizes, mode: 'gentle' } });
    host.writeHostYaml({ defaultPolicy: 'mine', allowedPolicies: ['mine', 'slow'], security: { user: 'nobody' } });
    const [fast, slow] = [await host.run({ name: 'a' }), await host.run({ name: 'b', policy: 'slow' })];
    expect(sessionNice(helperOf(fast).pid)).toBe(availableParallelism() > 1 ? -3 : 0);
    expect(sessionNice(helperOf(slow).pid)).toBe(0);
    expect(sessionNice(fast.pid!)).toBe(0);
  });

  test('that was killed is lost, and the end is as it would be without', async () => {
    await using host = await hostWith({});
    const running = await host.run({ name: 'db1', memoryMiB: 128, shared: true });
    process.kill(helperOf(running).pid, 'SIGKILL');
    await eventually('it is lost', async () => helperOf(await host.info('db1')).word === 'lost');
    expect(await host.state('db1')).toBe('running');
    await host.ok('destroy', 'db1', '--wait');
  });

  test('at its work is left to it, however long that takes, and drain names it', async () => {
    await using host = await hostWith({ mode: 'gentle', gentleRate: '64MiB' }, { killAfter: '2s' });
    const running = await host.run({ name: 'db1', memoryMiB: 512, touched: true });
    const { pid } = helperOf(running);
    await host.ok('destroy', 'db1');
    const { draining } = await host.client().drain('db1');
    expect(draining).toMatchObject([{ name: 'db1', helperPid: pid, holder: null }]);
    expect(draining[0]?.heldAs?.anonBytes).toBeGreaterThan(256 * MiB);
    expect(await host.ok('drain', '--once')).toContain(`teardown helper (pid ${pid})`);
    await host.ok('destroy', 'db1', '--wait').catch(() => undefined);
    await host.becomes('db1', 'shut off');
    const { released } = await host.json<DrainAnswer>('drain');
    // 512 MiB at 64 MiB a second, less what exit frees at the end.
    expect(released[0]?.releasedAfterMs).toBeGreaterThan(2500);
    expect(released[0]?.freedAfterMs).toBeLessThan(released[0]!.releasedAfterMs / 2);
  });

  test('that does nothing any more is ended, and its exit frees the rest', async () => {
    await using host = await hostWith({ mode: 'gentle', gentleRate: '64MiB', stalledAfter: '1s' });
    const running = await host.run({ name: 'db1', memoryMiB: 512, touched: true });
    const { pid } = helperOf(running);
    await host.ok('destroy', 'db1');
    process.kill(pid, 'SIGSTOP');
    await host.becomes('db1', 'shut off');
    expect(isAlive(pid)).toBe(false);
  });
});
