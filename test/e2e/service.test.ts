/** domctld as a service: the socket that is handed over, what the manager is told, and the cgroup the daemon leaves. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { cgroupTree, eventually, isAlive } from './facts.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';

const daemon = fileURLToPath(new URL('../../dist/domctld.cjs', import.meta.url));
const manager = fileURLToPath(new URL('../fixtures/programs/service-manager.py', import.meta.url));
const activator = '/usr/bin/systemd-socket-activate';

/** A program that says things line by line. */
interface Service {
  readonly child: ChildProcessWithoutNullStreams;
  lines(): string[];
}

function run(host: Host, command: readonly string[], environment: Readonly<Record<string, string>> = {}): Service {
  const [file, ...args] = command;
  const child = spawn(file!, args, { env: { ...process.env, ...host.environment, ...environment } });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  let complained = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (complained += chunk.toString()));
  return { child, lines: () => [...whole(said), ...whole(complained)] };
}

/** Of a text that may still be coming, the lines that are complete. */
const whole = (text: string): string[] => text.split('\n').slice(0, -1);

/** Under the fixture's manager; `said()` are the datagrams so far. */
function manage(host: Host, watchdogUsec = 0) {
  const notify = `@${host.cgroupRoot}`;
  const service = run(host, ['python3', manager, host.socket, notify, String(watchdogUsec), process.execPath, daemon]);
  const { child, lines } = service;
  const said = (): string[] =>
    lines()
      .filter((line) => line.startsWith('"'))
      .map((line) => JSON.parse(line));
  const pid = (): number => Number(lines()[0]?.slice('pid '.length));
  return { child, lines, said, pid };
}

describeEndToEnd('a service', () => {
  test('answers on the socket it was handed, tells that it is ready, and leaves the socket to its maker', async () => {
    await using host = await createHost();
    const service = manage(host);
    await eventually('it is ready', () => service.said().some((text) => text.startsWith('READY=1')));
    expect(service.said()[0]).toBe(`READY=1\nMAINPID=${service.pid()}`);
    expect(await host.daemonPid()).toBe(service.pid());
    const { ino } = statSync(host.socket);
    await host.define({ name: 'db1', emulator: host.oddQemu('polite') });
    await host.ok('start', 'db1');
    await eventually('the machine is in the status', () => service.said().includes('STATUS=1 domains, 1 live'));
    await host.ok('destroy', 'db1', '--wait');
    service.child.kill('SIGTERM');
    await once(service.child, 'close');
    expect(service.said().at(-1)).toBe('STOPPING=1');
    expect(service.lines()).toContain('exit 0');
    expect(statSync(host.socket).ino).toBe(ino);
  });

  test('hands neither its socket nor its manager on to what it starts', async () => {
    await using host = await createHost();
    const service = manage(host);
    await eventually('it is ready', () => service.said().length > 0);
    await host.define({ name: 'db1', emulator: host.oddQemu('polite') });
    await host.ok('start', 'db1');
    const { pid } = await host.info('db1');
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toMatch(/LISTEN_|NOTIFY_SOCKET|WATCHDOG_/);
    // FD_CLOEXEC, O_CLOEXEC as /proc shows it.
    expect(readFileSync(`/proc/${service.pid()}/fdinfo/3`, 'utf8')).toMatch(/^flags:\s+02\d{6}$/m);
    await host.ok('destroy', 'db1', '--wait');
    service.child.kill('SIGTERM');
    await once(service.child, 'close');
  });

  test('beats for the watchdog while its loop turns', async () => {
    await using host = await createHost();
    const service = manage(host, 200_000);
    const beats = (): number => service.said().filter((text) => text === 'WATCHDOG=1').length;
    await eventually('three beats', () => beats() >= 3);
    service.child.kill('SIGTERM');
    await once(service.child, 'close');
  });

  test('refuses more than one socket by name', async () => {
    await using host = await createHost();
    const script = `export LISTEN_FDS=2 LISTEN_PID=$$; exec "${process.execPath}" "${daemon}"`;
    const service = run(host, ['/bin/sh', '-c', script]);
    const [exit] = await once(service.child, 'close');
    expect(exit).toBe(2);
    expect(service.lines().join('\n')).toContain('LISTEN_FDS=2: domctld listens on one socket');
  });

  test('takes no notice of sockets that were handed to another process', async () => {
    await using host = await createHost();
    const service = run(host, [process.execPath, daemon], { LISTEN_FDS: '1', LISTEN_PID: '1' });
    await eventually('it answers', () => host.isDaemonUp());
    expect(await host.daemonPid()).toBe(service.child.pid);
    service.child.kill('SIGTERM');
    await once(service.child, 'close');
    expect(existsSync(host.socket)).toBe(false);
  });

  test('goes to a leaf when the root is its own cgroup, and machines are born beside it', async () => {
    // The leaf outlives the daemon in it.
    await using host = await createHost({ mayLeave: true });
    const procs = ownCgroup(host.cgroupRoot);
    const service = run(host, ['/bin/sh', '-c', `echo $$ > ${procs}; exec "${process.execPath}" "${daemon}"`]);
    await eventually('it answers', () => host.isDaemonUp());
    expect(cgroupOf(service.child.pid!)).toBe(`${host.cgroupRoot}/daemon`);
    await host.define({ name: 'db1', emulator: host.oddQemu('polite') });
    await host.ok('start', 'db1');
    const { pid, cgroup } = await host.info('db1');
    expect(cgroupOf(pid!)).toBe(cgroup);
    expect(cgroup).toMatch(new RegExp(`^${host.cgroupRoot}/vm-`));
    await host.ok('destroy', 'db1', '--wait');
    service.child.kill('SIGTERM');
    await once(service.child, 'close');
    expect(cgroupTree(host.cgroupRoot).filter((path) => path.includes('/vm-'))).toEqual([]);
  });

  test('keeps the cgroup root of machines that live, whatever it is told now', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1', emulator: host.oddQemu('polite') });
    await host.ok('start', 'db1');
    const { pid } = await host.info('db1');
    await host.stopDaemon();
    const other = { DOMCTL_CGROUP_ROOT: `${host.cgroupRoot}-other` };
    const service = run(host, [process.execPath, daemon], other);
    await eventually('it answers', () => host.isDaemonUp());
    expect((await host.client().version()).cgroupRoot).toBe(host.cgroupRoot);
    expect(await host.info('db1')).toMatchObject({ state: 'running', pid });
    expect(cgroupTree(other.DOMCTL_CGROUP_ROOT)).toEqual([]);
    await host.ok('destroy', 'db1', '--wait');
    service.child.kill('SIGTERM');
    await once(service.child, 'close');
  });

  const hasActivator = existsSync(activator);
  test.skipIf(!hasActivator)(
    `is started by a connection to systemd's socket${hasActivator ? '' : ' (skipped: no systemd-socket-activate)'}`,
    async () => {
      await using host = await createHost();
      mkdirSync(dirname(host.socket), { recursive: true });
      const passed = Object.keys(host.environment).map((name) => `--setenv=${name}`);
      const service = run(host, [activator, '-l', host.socket, ...passed, process.execPath, daemon]);
      await eventually('systemd listens', () => existsSync(host.socket));
      expect(await host.ok('list', '--all')).toContain('Name');
      expect(await host.daemonPid()).toBe(service.child.pid);
      await host.ok('daemon', 'stop');
      expect(isAlive(service.child.pid!)).toBe(false);
    },
  );
});

/** Makes a cgroup; gives the file that takes processes in. */
function ownCgroup(path: string): string {
  const mount = existsSync('/sys/fs/cgroup/cgroup.controllers') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/unified';
  mkdirSync(`${mount}${path}`);
  return `${mount}${path}/cgroup.procs`;
}

function cgroupOf(pid: number): string | undefined {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
}
