/** domctl simulate: no daemon, no machine; a table, JSON, and files that are refused by line. */
import { existsSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Simulation } from '../../lib/simulation/simulate.ts';
import { createHost, describeEndToEnd } from './harness.ts';

describeEndToEnd('simulate', () => {
  test('compares the policies of a shipped scenario, without a daemon', async () => {
    await using host = await createHost();
    const table = await host.ok('simulate', 'restart-1tib');
    expect(table).toContain('Host 1536.0 GiB, capacity 1497.3 GiB, other programs 8.0 GiB\n');
    expect(table).toMatch(/^ strict +start --wait +\d+\.\d s .* - +- +1034\.7 GiB +1505\.3 GiB$/m);
    expect(table).toMatch(/^ restart-first +force-start --wait +10\.\d s /m);
    expect(existsSync(host.socket)).toBe(false);
  });

  test('takes a file, and the policies and the reserve of this host', async () => {
    await using host = await createHost({
      hostYaml: { capacity: { reserve: '4GiB' } },
      policies: { ours: { forceStart: { maxShortfall: '0%' } } },
    });
    const file = host.at('s.yaml');
    writeFileSync(
      file,
      'kind: scenario\nversion: 1\nhost: { memory: 20GiB }\nrestart: { memory: 12GiB }\npolicies: [ours]\n',
    );
    const simulation = await host.json<Simulation>('simulate', file);
    expect(simulation).toMatchObject({
      file,
      host: { capacityBytes: 16 * 2 ** 30 },
      runs: [{ policy: 'ours', verb: 'force-start', brakedMs: 0 }],
    });
    expect(simulation.runs[0]?.restarts).toMatchObject([{ name: 'guest1', destroyedMs: 0 }]);
  });

  test.each([
    ['host: { memory: lots }\nrestart: { memory: 1GiB }', /s\.yaml:3:17: host\.memory: lots is not a size/],
    [
      'host: { memory: 8GiB }\nrestart: { memory: 32GiB }',
      /s\.yaml: host\.memory: restart and neighbours are promised \d+\.\d GiB more than/,
    ],
    ['host: { memory: 8GiB }\nrestart: { memory: 1GiB }\npolicies: [nosuch]', /no policy is named 'nosuch'/],
  ])('refuses a bad scenario with 7: %s', async (text, sentence) => {
    await using host = await createHost();
    const file = host.at('s.yaml');
    writeFileSync(file, `kind: scenario\nversion: 1\n${text}\n`);
    const { exit, stdout, stderr } = await host.domctl(['simulate', file, '--json']);
    expect(exit).toBe(7);
    expect(stderr).toMatch(sentence);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'INVALID_POLICY', exit: 7 } });
  });
});
