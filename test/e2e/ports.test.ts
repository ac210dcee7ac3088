/**
 * Ports that are chosen at start: one that is lost between the choice and the hypervisor's bind is chosen anew. In a network
 * of their own, where nobody else takes any.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { domainXml } from './domains.ts';
import { byGeneration } from './emulators.ts';
import { eventually } from './facts.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';

/** The QEMU behind it is run only when a file of the script's own name with `.go` is there. */
function heldBack(host: Host, emulator: string): { readonly path: string; go(): void } {
  const path = host.at('bin/held-back');
  mkdirSync(host.at('bin'), { recursive: true });
  const script = `#!/bin/sh\ncase "$*" in *-vnc*) until [ -e "$0.go" ]; do sleep 0.05; done;; esac\nexec ${emulator} "$@"\n`;
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  return { path, go: () => void writeFileSync(`${path}.go`, '') };
}

/** A host whose daemon, and with it every hypervisor, is in a network of its own. */
async function startApart(host: Host): Promise<void> {
  const through = ['unshare', '-n', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh'];
  const { exit, stderr } = await host.domctl(['daemon', 'start'], { through });
  expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' });
}

const thief = `import socket, sys
s = socket.create_server(('127.0.0.1', int(sys.argv[1])))
print(s.getsockname()[1], flush=True)
sys.stdin.read()`;

/** Listens in the daemon's network until the test ends; gives the port, which is any where it is asked for 0. */
async function steal(host: Host, port: number): Promise<number> {
  const inside = ['--net', '-t', String(await host.daemonPid()), 'python3', '-c', thief, String(port)];
  const child = spawn('nsenter', inside, { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return Number(line.toString());
}

interface Port {
  readonly kind: string;
  readonly port: number;
}

/** Of each launch in the journal, the ports it claimed. */
function portsByLaunch(host: Host): number[][] {
  return host
    .journal()
    .filter(({ kind }) => kind === 'launch')
    .map(({ launch }) => (launch as { claims: Port[] }).claims.filter(({ kind }) => kind === 'port'))
    .map((claims) => claims.map(({ port }) => port));
}

describeEndToEnd('a port chosen for VNC', () => {
  test.for(byGeneration)('QEMU %s: is chosen anew when somebody takes it first', async ([, qemu], context) => {
    if (qemu.skipReason !== null) context.skip(qemu.skipReason);
    await using host = await createHost();
    await startApart(host);
    const { path, go } = heldBack(host, qemu.emulator ?? '');
    const devices = "<devices><graphics type='vnc' autoport='yes'/>";
    await host.define(domainXml({ name: 'web1', emulator: path }).replace('<devices>', devices));
    const starting = host.begin(['start', 'web1']);
    await eventually('it is spawned', () => host.journal().some(({ event }) => event === 'hypervisorSpawned'));
    const [first] = portsByLaunch(host).flat();
    expect(await steal(host, first!)).toBe(first);
    go();
    expect(await starting.done).toMatchObject({ exit: 0, stdout: "Domain 'web1' started (Id 2)\n" });
    const [, second] = portsByLaunch(host).flat();
    expect(second).toBeGreaterThan(first!);
    expect(await host.info('web1')).toMatchObject({ id: 2, state: 'running', incarnations: [{ id: 2 }] });
    const failure = host.journal().find(({ event }) => event === 'launchFailed' || event === 'hypervisorExited');
    expect(failure).toMatchObject({ incarnation: 1 });
  });

  test('of its own is not chosen for it: then the start fails by name', async () => {
    await using host = await createHost();
    await startApart(host);
    const port = await steal(host, 0);
    const graphics = `<devices><graphics type='vnc' autoport='no' port='${port}'/>`;
    await host.define(domainXml({ name: 'web1' }).replace('<devices>', graphics));
    const { exit, stderr } = await host.domctl(['start', 'web1']);
    expect(exit).toBe(4);
    expect(stderr).toContain(`127.0.0.1:${port}`);
    expect(portsByLaunch(host)).toEqual([]);
  });
});
