/** With --json a program reads one JSON document from stdout, whatever happens. */
import { expect, test } from 'vitest';
import type { DomainInfo } from '../../lib/client/contract.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';

async function document(host: Host, exit: number, ...args: readonly string[]): Promise<unknown> {
  const result = await host.domctl([...args, '--json']);
  expect(result.exit, `${args.join(' ')}: ${result.stderr}`).toBe(exit);
  expect(result.stdout, args.join(' ')).toMatch(/^[^\n]+\n$/);
  const answer: unknown = JSON.parse(result.stdout);
  if (exit !== 0 && !args.includes('--dry-run')) expect(answer).toMatchObject({ error: { exit } });
  return answer;
}

describeEndToEnd('--json', () => {
  test('prints one document for every verb, in success and in failure', async () => {
    await using host = await createHost({ policies: { none: { forceStart: { allow: false } } } });
    expect(await document(host, 0, 'daemon', 'status')).toEqual({ running: false, pid: null });
    expect(await document(host, 0, 'version')).toMatchObject({ daemon: null });
    expect(await document(host, 0, 'daemon', 'start')).toMatchObject({ running: true });
    expect(await document(host, 0, 'version')).toMatchObject({
      daemon: { name: 'domctl', cgroupRoot: host.cgroupRoot },
    });
    const file = host.writeXml({ name: 'db1', shared: true, policy: 'none' });
    expect(await document(host, 0, 'define', file)).toMatchObject({ name: 'db1', updated: false, warnings: [] });
    expect(await document(host, 0, 'define', file)).toMatchObject({ name: 'db1', updated: true });
    expect(await document(host, 0, 'dumpxml', 'db1')).toMatchObject({
      xml: expect.stringContaining('<name>db1</name>'),
    });
    expect(await document(host, 0, 'start', 'db1', '--dry-run')).toMatchObject({ admitted: true, id: null });
    expect(await document(host, 0, 'start', 'db1')).toMatchObject({ name: 'db1', id: 1, admitted: true });
    await document(host, 4, 'start', 'db1');
    const { pid } = (await document(host, 0, 'dominfo', 'db1')) as DomainInfo;
    expect(await document(host, 0, 'domstate', 'db1')).toMatchObject({ state: 'running', reason: 'booted' });
    expect(await document(host, 0, 'domid', 'db1')).toMatchObject({ id: 1, name: 'db1' });
    expect(await document(host, 0, 'domstats', 'db1')).toMatchObject({ name: 'db1', state: { code: 1 } });
    expect(await document(host, 0, 'nodeinfo')).toMatchObject({ memoryBytes: expect.any(Number) });
    expect(await document(host, 0, 'policy', 'list')).toMatchObject([{ name: 'balanced' }, {}, {}, {}]);
    expect(await document(host, 0, 'policy', 'explain', 'db1')).toMatchObject({ start: { admitted: false } });
    expect(await document(host, 0, 'doctor')).toMatchObject({ healthy: true });
    expect(await document(host, 0, 'shutdown', 'db1')).toMatchObject({ state: 'running' });
    const holder = await host.holdMemory(pid!);
    expect(await document(host, 0, 'destroy', 'db1')).toMatchObject({ state: 'draining' });
    expect(await document(host, 0, 'drain')).toMatchObject({ draining: [{ name: 'db1' }] });
    expect(await document(host, 0, 'drain', 'db1', '--once')).toMatchObject({ draining: [{ name: 'db1' }] });
    expect(await document(host, 0, 'list', '--all')).toMatchObject([{ name: 'db1' }]);
    expect(await document(host, 0, 'resources')).toMatchObject({ drainingIncarnations: 1 });
    expect(await document(host, 5, 'start', 'db1')).toMatchObject({ error: { code: 'INCARNATION_DRAINING' } });
    expect(await document(host, 5, 'start', 'db1', '--dry-run')).toMatchObject({
      admitted: false,
      refusal: { code: 'INCARNATION_DRAINING', exit: 5 },
    });
    expect(await document(host, 6, 'force-start', 'db1')).toMatchObject({ error: { code: 'POLICY_FORBIDS' } });
    expect(await document(host, 6, 'force-start', 'db1', '--dry-run')).toMatchObject({
      admitted: false,
      refusal: { code: 'POLICY_FORBIDS', exit: 6 },
    });
    expect(await document(host, 10, 'destroy', 'db1', '--wait', '--timeout', '100ms')).toMatchObject({
      error: { code: 'DEADLINE_PASSED', details: { state: 'draining' } },
    });
    await holder.letGo();
    await host.becomes('db1', 'shut off');
    expect(await document(host, 0, 'drain')).toMatchObject({ draining: [] });
    expect(await document(host, 0, 'undefine', 'db1')).toMatchObject({ name: 'db1', stillHeldBy: null });
    await document(host, 3, 'domstate', 'db1');
    await document(host, 7, 'define', host.writeXml('<domain/>'));
    await document(host, 2, 'define');
    expect(await document(host, 0, 'daemon', 'stop')).toMatchObject({ running: false });
  });

  test('prints a line for each of several domains', async () => {
    await using host = await createHost();
    for (const name of ['a', 'b']) await host.define({ name, emulator: host.oddQemu('polite') });
    const started = await host.domctl(['start', 'a', 'none', 'b', '--json']);
    expect(started.exit).toBe(3);
    const lines = started.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([{ name: 'a', id: 1 }, { error: { exit: 3 } }, { name: 'b', id: 2 }]);
  });
});
