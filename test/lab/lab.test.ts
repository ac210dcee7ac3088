/** The lab itself: it is what it says, passes everything on as it was, and leaves nothing, however it ends. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { describeProcess, eventually, processesNaming } from '../e2e/facts.ts';
import { collector, describeLab, runIn, shellIn } from './commands.ts';
import { type BootOptions, bootLab, type Lab } from './machine.ts';
import { checkout } from './shown.ts';
import { LabError } from './site.ts';

const program = fileURLToPath(new URL('main.ts', import.meta.url));
const loader = fileURLToPath(new URL('../setup/typescript.mjs', import.meta.url));
const fixtures = fileURLToPath(new URL('fixtures/', import.meta.url));

/** The interpreter itself; what the PATH leads to may be a script around it. */
const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)']).toString().trim();

/** What of a lab, or of all labs of a runner, is still on this host. */
function leftOf(name: string): string[] {
  return [
    ...processesNaming(name).map(describeProcess),
    ...readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(name)),
    ...readdirSync(tmpdir()).filter((entry) => join(tmpdir(), entry).includes(name)),
  ];
}

async function nothingIsLeftOf(name: string): Promise<void> {
  await eventually(`nothing is left of ${name}`, () => leftOf(name).length === 0);
}

/** The program, as `npm run lab` starts it. */
function begin(...argv: readonly string[]) {
  const child = spawn(process.execPath, ['--import', loader, program, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGTERM'));
  const [out, err] = [collector(), collector()];
  child.stdout.pipe(out.stream);
  child.stderr.pipe(err.stream);
  const done = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    stdout: out.text(),
    stderr: err.text(),
  }));
  return { child, out: out.text, done, labs: `domctl-lab-${child.pid}-` };
}

/** null: what this host does best of QEMU's. */
const kinds = [
  { kind: null, name: 'a command in the lab', lacks: [] },
  { kind: 'uml', name: 'a command in user-mode Linux', lacks: ['cpuset', 'hugetlb'] },
] as const;

describe.each(kinds)('$name', ({ kind, lacks }) =>
  describeLab(kind ?? 'emulated', () => {
    let lab: Lab;
    beforeAll(async () => {
      lab = await bootLab(kind === null ? {} : { kind });
    });
    afterAll(async () => {
      await lab.close();
      await nothingIsLeftOf(lab.directory);
    });

    test('sees unified cgroup v2 alone, with every controller', async () => {
      const { stdout } = await shellIn(
        lab,
        'grep -w cgroup2 /proc/self/mountinfo; grep -c " - cgroup " /proc/self/mountinfo; cat /sys/fs/cgroup/cgroup.controllers',
      );
      const [mount, v1, controllers] = stdout.trim().split('\n');
      expect(mount).toContain(' /sys/fs/cgroup ');
      expect(v1).toBe('0');
      const every = ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids'];
      expect(controllers?.split(' ')).toEqual(
        expect.arrayContaining(every.filter((name) => !lacks.some((each) => each === name))),
      );
    });

    test('ends with its own exit code, its output in two streams', async () => {
      expect(await shellIn(lab, 'echo out; echo err >&2; exit 7')).toEqual({
        code: 7,
        signal: null,
        stdout: 'out\n',
        stderr: 'err\n',
      });
      expect(await runIn(lab, ['true'])).toMatchObject({ code: 0 });
      expect(await shellIn(lab, 'kill -9 $$')).toMatchObject({ code: null, signal: constants.signals.SIGKILL });
      const missing = await runIn(lab, ['no-such-program']);
      expect(missing).toMatchObject({ code: 127, stdout: '' });
      expect(missing.stderr).toMatch(/no-such-program: No such file or directory/);
    });

    test('gets arguments, variables and directory as they are', async () => {
      const script = 'for each; do echo "[$each]"; done; echo "$ODD"; pwd';
      const env = { ...process.env, ODD: 'a "b"\n=c' };
      const { stdout } = await runIn(lab, ['sh', '-c', script, 'sh', '', 'a b', "it's", 'ü'], {
        env,
        cwd: join(checkout, 'test'),
      });
      expect(stdout).toBe(`[]\n[a b]\n[it's]\n[ü]\na "b"\n=c\n${checkout}/test\n`);
    });

    test('gets more variables than its line holds, command after command', async () => {
      const env = { ...process.env, LONG: 'x'.repeat(100_000) };
      for (let at = 0; at < 5; at += 1) {
        const { stdout } = await runIn(lab, ['sh', '-c', 'echo "${#LONG}"'], { env });
        expect(stdout).toBe('100000\n');
      }
    });

    test('gets signals, its children with it', async () => {
      const [out, err] = [collector(), collector()];
      const run = lab.run(['sh', '-c', 'trap "echo caught; exit 9" TERM; echo ready; sleep 600 & wait'], {
        stdout: out.stream,
        stderr: err.stream,
      });
      await eventually('it is ready', () => out.text() === 'ready\n');
      run.kill(constants.signals.SIGTERM);
      expect(await run.end).toEqual({ code: 9, signal: null });
      expect(out.text()).toBe('ready\ncaught\n');
    });

    test('prints 20 MB, none of them lost, beside another that runs', async () => {
      const other = runIn(lab, ['cat', '/proc/version']);
      const { stdout } = await runIn(lab, ['sh', '-c', 'yes 0123456789abcde | head -c 20000000']);
      expect(createHash('sha256').update(stdout).digest('hex')).toBe(
        createHash('sha256')
          .update('0123456789abcde\n'.repeat(20e6 / 16))
          .digest('hex'),
      );
      expect((await other).stdout).toMatch(kind === 'uml' ? /^Linux version \d/ : /cloud-amd64/);
    });

    test('writes where it likes, and nothing of it reaches the host', async () => {
      const places = ['/usr/lab-was-here', '/tmp/lab-was-here', join(checkout, 'lab-was-here')];
      const { stdout, code } = await shellIn(
        lab,
        `for each in ${places.join(' ')}; do echo x > $each; cat $each; done`,
      );
      expect({ stdout, code }).toEqual({ stdout: 'x\nx\nx\n', code: 0 });
      for (const place of places) expect(existsSync(place)).toBe(false);
    });

    test('has a real file system for its temporary files', async () => {
      expect((await shellIn(lab, 'stat -f -c %T "$TMPDIR"; touch "$TMPDIR/x" && echo ok')).stdout).toBe(
        'ext2/ext3\nok\n',
      );
    });

    test('loads modules of its kernel, and has a KVM that is there', async () => {
      const { code, stderr } = await shellIn(
        lab,
        'for each in tun bridge overlay virtio_net; do modprobe $each || exit 1; done; test -c /dev/net/tun',
      );
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      if (lab.kind === 'tcg') expect(await shellIn(lab, 'test -w /dev/kvm')).toMatchObject({ code: 0 });
    });

    // lib/daemon/effects.ts, openProcess: both mean that the hypervisor is gone.
    test('pidfd_open of a dead leader whose group lives on says EINVAL on 6.12, ESRCH on newer kernels', async () => {
      const { stdout } = await runIn(lab, [python, join(fixtures, 'dead_leader.py')]);
      const { stdout: release } = await runIn(lab, ['uname', '-r']);
      const [, major, minor] = /^(\d+)\.(\d+)/.exec(release)!.map(Number);
      if (major === 6 && minor! <= 12) expect(stdout).toBe('EINVAL\n');
      else expect(['EINVAL\n', 'ESRCH\n']).toContain(stdout);
    });
  }),
);

describeLab('a lab that cannot be', () => {
  const failures = {
    'the kernel panics': { kernelArguments: 'init=/no/such/init' },
    'QEMU is missing': { emulator: '/no/such/qemu' },
    'QEMU refuses its arguments': { emulator: '/bin/false' },
    'user-mode Linux panics': { kind: 'uml', kernelArguments: 'init=/no/such/init' },
  } as const;

  test.each<[string, BootOptions]>(Object.entries(failures))(
    '%s: it says so, and nothing is left',
    async (_title, options) => {
      const failure: unknown = await bootLab(options).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(LabError);
      expect((failure as LabError).message).toMatch(/(QEMU|user-mode Linux) ended/);
      await nothingIsLeftOf(`domctl-lab-${process.pid}-`);
    },
  );

  test('virtiofsd dies: what runs is told, and nothing is left', async () => {
    const lab = await bootLab();
    const run = lab.run(['sleep', '600'], { stdout: new PassThrough(), stderr: new PassThrough() });
    const end = run.end.catch((error: unknown) => error);
    const served = processesNaming(lab.directory).filter((pid) => describeProcess(pid).includes('--socket-path'));
    expect(served.length).toBeGreaterThan(0);
    for (const pid of served) process.kill(pid, 'SIGKILL');
    expect(await end).toBeInstanceOf(LabError);
    await lab.close();
    await nothingIsLeftOf(lab.directory);
  });
});

describeLab('npm run lab', () => {
  test('passes output and exit code on', async () => {
    expect(await begin('sh', '-c', 'echo out; echo err >&2; exit 5').done).toEqual({
      code: 5,
      stdout: 'out\n',
      stderr: 'err\n',
    });
  });

  test('passes a signal on, ends as the command ends, and leaves nothing', async () => {
    const { child, out, done, labs } = begin('sh', '-c', 'trap "exit 9" INT; echo ready; sleep 600 & wait');
    await eventually('it is ready', () => out() === 'ready\n', 120_000);
    expect(leftOf(labs)).not.toEqual([]);
    child.kill('SIGINT');
    expect((await done).code).toBe(9);
    await nothingIsLeftOf(labs);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)('%s while it boots: nothing is left', async (signal) => {
    const { child, done, labs } = begin('true');
    await eventually('QEMU runs', () => leftOf(labs).some((line) => line.includes('qemu-system')), 120_000);
    child.kill(signal);
    expect((await done).code).toBe(128 + constants.signals[signal]);
    await nothingIsLeftOf(labs);
  });

  test('SIGKILL: no process and no mount outlives it', async () => {
    const { child, out, done, labs } = begin('sh', '-c', 'echo ready; sleep 600');
    await eventually('it is ready', () => out() === 'ready\n', 120_000);
    child.kill('SIGKILL');
    await done;
    await eventually('its processes are gone', () => processesNaming(labs).length === 0);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(labs);
  });
});

/** Every cgroup mount read-only, as a container has them; in a mount namespace of the command's own. */
const readOnlyCgroups = `for each in $(awk '$5 ~ "^/sys/fs/cgroup" {print $5}' /proc/self/mountinfo | sort -r); do
  mount -o remount,bind,ro "$each"; done; exec "$@"`;

describeLab('npm run demo, where cgroups are read-only', () => {
  function runDemo(...through: readonly string[]) {
    const demo = [...through, process.execPath, fileURLToPath(new URL('../demo/demo.mjs', import.meta.url))];
    const args = ['--mount', '--propagation', 'private', 'sh', '-c', readOnlyCgroups, 'sh', ...demo];
    return spawnSync('unshare', args, { encoding: 'utf8', cwd: checkout });
  }

  test('runs in the lab, and says so', () => {
    const { status, stdout } = runDemo();
    expect(stdout).toContain('it runs in the lab');
    expect(stdout).toContain('The demo is done: every line above was checked.');
    expect(status).toBe(0);
  });

  test('and no lab can be: exit 8, with the remedy', () => {
    const { status, stderr } = runDemo('setpriv', '--bounding-set=-sys_admin');
    expect(stderr).toMatch(/^hint: run it as root, with CAP_SYS_ADMIN/m);
    expect(status).toBe(8);
  });
});

describeLab('boots', () => {
  async function bootMs(): Promise<number> {
    const began = performance.now();
    await using lab = await bootLab();
    const ms = performance.now() - began;
    expect(await runIn(lab, ['true'])).toMatchObject({ code: 0 });
    return Math.round(ms);
  }

  test('ten in a row, and two side by side', async () => {
    const row: number[] = [];
    while (row.length < 10) row.push(await bootMs());
    const beside = await Promise.all([bootMs(), bootMs()]);
    const median = row.toSorted((a, b) => a - b)[5];
    process.stdout.write(
      `lab: ten boots in a row: ${row.join(' ')} ms, median ${median} ms; two side by side: ${beside.join(' ')} ms\n`,
    );
    await nothingIsLeftOf(`domctl-lab-${process.pid}-`);
  });
});
