/** A state word is never said before it is true, and a question is never delayed by what is slow to die. */
import { expect, test } from 'vitest';
import type { DomainInfo } from '../../lib/client/contract.ts';
import { median } from '../bench/statistics.ts';
import { chargeOf, isAlive, MiB, residueBytes } from './facts.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';
import { askInTurn } from './neighbourhood.ts';

/**
 * Asks for the state again and again until it is `shut off`, and after each answer looks at the kernel's own files. What
 * they still show after the answer was surely there when it was given: facts of an end only ever go.
 */
async function contradictions(
  host: Host,
  domain: string,
  running: DomainInfo,
): Promise<{ found: string[]; words: Map<string, number> }> {
  const found: string[] = [];
  const words = new Map<string, number>();
  for (;;) {
    const { state } = await host.info(domain);
    words.set(state, (words.get(state) ?? 0) + 1);
    const own = chargeOf(running.cgroup!);
    const whole = chargeOf(host.cgroupRoot);
    const facts = `populated ${own.populated}, held ${own.heldBytes}, below the root ${whole.heldBytes}`;
    if (
      state === 'shut off' &&
      (own.populated || whole.populated || own.heldBytes > residueBytes || whole.heldBytes > residueBytes)
    )
      found.push(`shut off, but ${facts}`);
    if (state === 'draining' && isAlive(running.pid!)) found.push(`draining, but the hypervisor is alive: ${facts}`);
    if (state === 'shut off') return { found, words };
  }
}

describeEndToEnd('truth', () => {
  test.each([
    ['with nobody holding on', { memoryMiB: 512 }, false],
    ['with a teardown helper', { memoryMiB: 512, policy: 'helped' }, false],
    ['with another process holding its memory', { memoryMiB: 256 }, true],
  ] as const)('no answer contradicts the kernel while a domain ends, %s', async (_title, spec, isHeld) => {
    await using host = await createHost({ policies: { helped: { teardown: { minimumSize: '1MiB' } } } });
    const running = await host.run({ name: 'db1', shared: true, ...spec });
    const holder = isHeld ? await host.holdMemory(running.pid!) : null;
    const watched = contradictions(host, 'db1', running);
    await host.ok('destroy', 'db1');
    if (holder) {
      expect(await host.word('db1')).toBe('draining');
      expect(chargeOf(running.cgroup!).heldBytes).toBeGreaterThanOrEqual(256 * MiB);
      await holder.letGo();
    }
    const { found, words } = await watched;
    expect(found).toEqual([]);
    expect([...words.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(20);
    expect([...words.keys()].every((word) => ['running', 'exiting', 'draining', 'shut off'].includes(word))).toBe(true);
  });

  test('no answer contradicts the kernel when the hypervisor leaves a process behind', async () => {
    await using host = await createHost({ policies: { quick: { destroy: { killAfter: '1s' } } } });
    const running = await host.run({ name: 'db1', emulator: host.oddQemu('leaves-a-child'), policy: 'quick' });
    const watched = contradictions(host, 'db1', running);
    await host.ok('destroy', 'db1');
    const { found, words } = await watched;
    expect(found).toEqual([]);
    expect(words.get('draining')).toBeGreaterThan(5);
  });

  test('questions, and other domains, are not delayed by a hypervisor that takes seconds to die', async () => {
    await using host = await createHost({ policies: { quick: { destroy: { killAfter: '60s' } } } });
    const slow = await host.run({ name: 'slow', emulator: host.oddQemu('stubborn'), policy: 'quick' });
    await host.define({ name: 'other' });
    const destroying = host.begin(['destroy', 'slow', '--wait']);
    await host.becomes('slow', 'exiting');
    const client = host.client();
    const questions = {
      domstate: async () => client.info('slow'),
      list: async () => client.list(),
      resources: async () => client.resources(),
      drain: async () => client.drain(null),
    };
    const asked = await askInTurn(questions, 12);
    await client.start('other', {});
    await client.destroy('other', {});
    expect(await host.word('slow')).toBe('exiting');
    expect(isAlive(slow.pid!)).toBe(true);
    for (const [name, times] of Object.entries(asked)) {
      expect(median(times), `${name}: ${times.map(Math.round).join(' ')} ms`).toBeLessThan(100);
      expect(Math.max(...times), name).toBeLessThan(1500);
    }
    process.kill(slow.pid!, 'SIGKILL');
    expect((await destroying.done).exit).toBe(0);
    expect((await host.info('slow')).lastOutcome).toMatchObject({ kind: 'destroyed', signal: 9, exitCode: null });
  });
});
