/** domctl doctor on real hosts: this one, this one without root, and this one with cgroups that cannot be written. */
import { chmodSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { hierarchy } from './facts.ts';
import { createHost, describeEndToEnd } from './harness.ts';

interface Answer {
  readonly healthy: boolean;
  readonly failed: number;
  readonly findings: readonly { verdict: string; what: string; finding: string; remedy: string | null }[];
}

function failed({ stdout }: { readonly stdout: string }): Record<string, string | null> {
  const { findings } = JSON.parse(stdout) as Answer;
  return Object.fromEntries(
    findings.flatMap(({ verdict, what, remedy }) => (verdict === 'FAIL' ? [[what, remedy] as const] : [])),
  );
}

describeEndToEnd('domctl doctor', () => {
  test('finds nothing that keeps machines from running here, with and without the daemon, and starts none', async () => {
    await using host = await createHost();
    const result = await host.domctl(['doctor']);
    expect(result.exit, result.stdout).toBe(0);
    expect(result.stdout).toContain(`PASS  hierarchy: ${hierarchy.kind}`);
    expect(result.stdout).toContain('PASS  birth in a cgroup: clone3 into a cgroup works');
    expect(result.stdout).toContain('PASS  domctld: not running');
    expect(result.stdout).toMatch(/^\d+ passed, \d+ warnings?, 0 failed$/m);
    expect(await host.ok('daemon', 'status')).toBe('domctld is not running\n');
    await host.ok('daemon', 'start');
    expect(await host.ok('doctor')).toMatch(/^PASS {2}domctld: .* is running \(pid \d+\)$/m);
    expect(await host.json<Answer>('doctor')).toMatchObject({ healthy: true, failed: 0 });
  });

  test('names a broken policy and host.yaml by file, line and column, and exits with 8', async () => {
    await using host = await createHost({ policies: { mine: 'kind: policy\nversion: 1\nname: mine\nwrong: 1\n' } });
    const result = await host.domctl(['doctor']);
    expect(result.exit).toBe(8);
    expect(result.stdout).toMatch(/^FAIL {2}.*mine\.yaml: .*mine\.yaml:4:1: wrong: unknown key$/m);
    host.writeHostYaml('kind: host\nversion: 1\nsecurity:\n  usr: nobody\n');
    expect((await host.domctl(['doctor'])).stdout).toMatch(/^FAIL {2}.*host\.yaml:4:3: security\.usr/m);
  });

  test('as an ordinary user without a delegated subtree: 8, with the way to one', async () => {
    await using host = await createHost();
    const result = await host.domctl(['doctor', '--json'], { through: host.asNobody() });
    expect(result.exit, result.stderr).toBe(8);
    const remedy = failed(result)['place of our cgroups'];
    expect(remedy).toMatch(hierarchy.kind === 'unified' ? /Delegate=cpu cpuset io memory pids/ : /as root/);
  });

  test('in a container with read-only cgroups: 8, with the arguments it must be run with', async () => {
    await using host = await createHost();
    const readOnly = `mount -o remount,bind,ro ${hierarchy.mount.mountPoint} && exec "$@"`;
    const result = await host.domctl(['doctor', '--json'], { through: ['unshare', '-m', 'sh', '-c', readOnly, 'sh'] });
    expect(result.exit, result.stderr).toBe(8);
    expect(failed(result)['hierarchy']).toContain('--cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw');
  });

  test('with something else in the place of the socket: 8, and all else is judged all the same', async () => {
    await using host = await createHost();
    await host.ok('daemon', 'start');
    await host.stopDaemon();
    writeFileSync(host.socket, '');
    chmodSync(host.socket, 0o600);
    const result = await host.domctl(['doctor', '--json']);
    expect(result.exit).toBe(8);
    expect(Object.keys(failed(result))).toEqual(['domctld']);
  });
});
