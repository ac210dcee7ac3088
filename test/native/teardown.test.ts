/** libasyncteardown.so while the program lives: who gets a helper, what that may do, and that nobody else notices. */
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  build,
  helperOf,
  isGone,
  kill,
  killUnlessGone,
  killWholly,
  library,
  nameOf,
  preloading,
  program,
  run,
  start,
  statusOf,
  theHelper,
} from './preloading.ts';
import { afterwards, describeAsRoot, scratch, until } from './support.ts';

const fields = (pid: number, ...names: string[]): (string | null)[] => names.map((name) => statusOf(pid, name));

describe('the library', () => {
  const objects = 'native/build/Release/obj.target/asyncteardown/teardown';
  const symbols = (file: string, ...options: string[]): string[] =>
    execFileSync('nm', ['--format=just-symbols', ...options, join(objects, file)], { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean);

  it('calls nothing of libc in the helper', () => {
    const files = ['clone.o', 'helper.o', 'maps.o', 'release.o', 'sandbox.o', 'work.o'];
    const own = files.flatMap((file) => symbols(file, '--defined-only'));
    expect(own).toContain('helperMain');
    for (const file of files) expect(own, file).toEqual(expect.arrayContaining(symbols(file, '--undefined-only')));
  });

  it('needs libc alone, offers no symbol, and leaves none to be looked up later', () => {
    const dynamic = execFileSync('readelf', ['--dynamic', library], { encoding: 'utf8' });
    expect([...dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)].map(([, name]) => name)).toEqual(['libc.so.6']);
    expect(dynamic).toContain('BIND_NOW');
    expect(execFileSync('nm', ['--dynamic', '--defined-only', library], { encoding: 'utf8' })).toBe('');
  });

  it('is built by the one call of cc in its README', () => {
    const own = join(scratch(), 'libasyncteardown.so');
    execFileSync('sh', ['-c', `${commandOfReadme()} -o ${own}`], { cwd: 'native/teardown' });
    expect(execFileSync('nm', ['--dynamic', '--defined-only', own], { encoding: 'utf8' })).toBe('');
  });
});

function commandOfReadme(): string {
  const text = execFileSync('sed', ['-n', '/^cc /,/[^\\\\]$/p', 'native/teardown/README.md'], { encoding: 'utf8' });
  return text
    .replaceAll('\\\n', ' ')
    .replace(/-o \S+/, '')
    .trim();
}

describe('a helper', () => {
  it('is sandboxed, without rights, as the same user, in a session of its own, before the program runs', async () => {
    const running = await start([]);
    const helper = theHelper(running);
    expect(fields(helper, 'Seccomp', 'NoNewPrivs')).toEqual(['2', '1']);
    const none = '0'.repeat(16);
    expect(fields(helper, 'CapEff', 'CapPrm', 'CapInh', 'CapAmb')).toEqual([none, none, none, none]);
    expect(fields(helper, 'Uid', 'Gid', 'Groups')).toEqual(fields(running.pid, 'Uid', 'Gid', 'Groups'));
    expect(fields(helper, 'NSsid', 'NSpgid')).toEqual([`${helper}`, `${helper}`]);
    expect(fields(running.pid, 'Seccomp', 'NoNewPrivs')).toEqual(['0', '0']);
    expect(nameOf(helper)).toBe(`freemem/${running.pid}`);
    expect(readlinkSync(`/proc/${helper}/cwd`)).toBe('/');
  });

  it('can do nothing but free this memory', () => {
    const sandboxed = build('sandboxed', ['native/teardown/sandbox.c'], 'sandboxed');
    const [refused, allowed] = execFileSync(sandboxed, { encoding: 'utf8' }).trim().split('\nallowed\n');
    const eperm = 1;
    for (const line of refused?.split('\n') ?? []) expect.soft(line).toMatch(new RegExp(` ${eperm}$`));
    expect(refused?.split('\n').length).toBeGreaterThan(16);
    expect(allowed).toBe(['madvise', 'munmap', 'pread of 2', 'clock_gettime'].map((call) => `${call} 0`).join('\n'));
  });

  it('has no descriptor of the program, but those it watches by', async () => {
    const running = await start([]);
    const helper = theHelper(running);
    const open = readdirSync(`/proc/${helper}/fd`).map((fd) => readlinkSync(`/proc/${helper}/fd/${fd}`));
    expect(open).toEqual([
      'anon_inode:[pidfd]',
      expect.stringMatching(/^pipe:/),
      `/proc/${helper}/maps`,
      `/proc/${running.pid}/stat`,
      `/proc/${helper}/status`,
      `/proc/${helper}/oom_score_adj`,
    ]);
  });

  it('leaves no variable, and what else was preloaded; the program stays dumpable', async () => {
    const alone = await start([]);
    expect(await alone.ask('environment')).toBe('environment 0 dumpable 1 secure 0 preload ');
    const beside = await start([], { LD_PRELOAD: `libm.so.6 ${library}:libutil.so.1` });
    expect(await beside.ask('environment')).toMatch(/^environment 0 .* preload libm\.so\.6:libutil\.so\.1$/);
  });

  it('is no child to a program that waits for any child, alive or killed', async () => {
    const running = await start([]);
    expect(await running.ask('wait-any')).toBe('waited -1 No child processes');
    expect(await running.ask('wait-own')).toBe('own 1 7');
    process.kill(theHelper(running), 'SIGKILL');
    await until(() => isGone(theHelper(running)));
    expect(await running.ask('wait-any')).toBe('waited -1 No child processes');
  });

  it('that is killed leaves the program as it was', async () => {
    const running = await start(['anon=67108864']);
    process.kill(theHelper(running), 'SIGKILL');
    await until(() => isGone(theHelper(running)));
    expect(await running.ask('wait-own')).toBe('own 1 7');
    running.say('exit');
    expect(await once(running.process, 'exit')).toEqual([0, null]);
  });

  it('heeds no signal that can be blocked', async () => {
    const running = await start([]);
    const helper = theHelper(running);
    for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGUSR1'] as const) process.kill(helper, signal);
    expect(await running.ask('wait-own')).toBe('own 1 7');
    expect(isGone(helper)).toBe(false);
    await killWholly(running);
  });
});

describe('a helper is only in the program it is meant for', () => {
  it('by path, by link, or by name', async () => {
    const named = await start([], { ASYNC_TEARDOWN_PROGRAM: 'preloaded' });
    expect(named.helper).not.toBeNull();
    const link = join(scratch(), 'link');
    execFileSync('ln', ['-s', program, link]);
    expect((await start([], { ASYNC_TEARDOWN_PROGRAM: link })).helper).not.toBeNull();
    expect((await run(link, [], preloading({}, 'link'))).helper).not.toBeNull();
    for (const other of ['', '/bin/sh', '/nowhere', 'preload', 'preloaded2'])
      expect((await start([], { ASYNC_TEARDOWN_PROGRAM: other })).helper, other).toBeNull();
  });

  it('by name also where a script of that name executes it, and not in the shell before', async () => {
    const script = join(scratch(), 'preloaded');
    writeFileSync(script, `#!/bin/sh\nexec ${program}\n`, { mode: 0o755 });
    const handed = openSync(library, 'r');
    afterwards(() => closeSync(handed));
    const env = { ...preloading({}, 'preloaded'), LD_PRELOAD: '/proc/self/fd/3' };
    const running = await run(script, [], env, { stdio: ['pipe', 'pipe', 'inherit', handed] });
    expect(running.helper).not.toBeNull();
    const files = readdirSync(`/proc/${running.pid}/fd`).map((fd) => readlinkSync(`/proc/${running.pid}/fd/${fd}`));
    expect(files.filter((file) => file.includes('libasyncteardown'))).toEqual([]);
  });

  it('not in what it starts', async () => {
    const shell = '/bin/sh';
    const started = await run(shell, ['-c', `${program}; :`], preloading({}, shell));
    expect(started.helper).not.toBeNull();
    expect(await started.ask('environment')).toMatch(/^environment 0 /);
    const children = execFileSync('cat', [`/proc/${started.pid}/task/${started.pid}/children`], { encoding: 'utf8' });
    const fixture =
      children
        .split(' ')
        .map(Number)
        .find((pid) => nameOf(pid) === 'preloaded') ?? 0;
    expect(helperOf(fixture)).toBeNull();
  });

  it('not in a pipeline of others, which stays as it is', () => {
    const text =
      'echo one | cat | { read line; echo "$line $(cat /proc/self/comm)"; ps -eo comm= | grep -c "^freemem/$$"; }';
    const { stdout, stderr } = spawnSync('/bin/sh', ['-c', text], {
      env: { PATH: process.env['PATH'], ...preloading() },
      encoding: 'utf8',
    });
    expect([stdout, stderr]).toEqual(['one cat\n0\n', '']);
  });

  it.each(['exec', 'thread-exec'])('not after %s, nor is the old memory kept', async (how) => {
    const running = await start(['anon=67108864']);
    const helper = theHelper(running);
    running.say(how);
    expect(await running.hear()).toBe('ready');
    await until(() => isGone(helper));
    expect(helperOf(running.pid)).toBeNull();
    expect(await running.ask('wait-any')).toBe('waited -1 No child processes');
  });

  it('and stays with one that closes every descriptor', async (context) => {
    // Which a kernel without CONFIG_CHECKPOINT_RESTORE, such as user-mode Linux, cannot tell from one that executes another.
    if (!existsSync('/proc/sys/kernel/ns_last_pid')) context.skip('the kernel does not tell when memory is left');
    const running = await start(['anon=67108864']);
    expect(await running.ask('close-all')).toBe('closed');
    expect(await running.ask('wait-own')).toBe('own 1 7');
    expect(isGone(theHelper(running))).toBe(false);
    await killWholly(running);
  });

  it('and does not wait for a forked child that has what the program had', async () => {
    const running = await start(['anon=67108864']);
    const child = Number((await running.ask('leave-child')).split(' ')[1]);
    afterwards(() => killUnlessGone(child));
    await killWholly(running);
    expect(isGone(child)).toBe(false);
  });

  it('and not where a setting cannot be understood, which is named', () => {
    for (const [name, value] of [
      ['THREADS', '0'],
      ['THREADS', 'many'],
      ['CHUNK', '1M'],
      ['MINIMUM', '1X'],
      ['MODE', 'slow'],
      ['RATE', '0'],
      ['OOM', ''],
    ] as const) {
      const variable = `ASYNC_TEARDOWN_${name}`;
      const { stdout, stderr } = spawnSync(program, [], {
        env: preloading({ [variable]: value }),
        encoding: 'utf8',
        input: 'environment\n',
      });
      expect(stderr).toMatch(new RegExp(`^libasyncteardown.so: ${variable}=${value} is not .*; left off\n$`));
      expect(stdout).toMatch(/^ready\nenvironment 0 /);
    }
  });
});

describeAsRoot('a program with more rights than its user', () => {
  it('gets no helper (AT_SECURE)', async () => {
    const directory = scratch();
    copyFileSync(library, join(directory, 'libasyncteardown.so'));
    const linked = build('linked', [`-Wl,--no-as-needed,-rpath,${directory}`, join(directory, 'libasyncteardown.so')]);
    const env = preloading({ LD_PRELOAD: '' }, linked);
    const nobody = { uid: 65534, gid: 65534 };
    const plain = await run(linked, [], env, nobody);
    expect(plain.helper).not.toBeNull();
    chmodSync(linked, 0o4755);
    const raised = await run(linked, [], env, nobody);
    expect(await raised.ask('environment')).toMatch(/ secure 1 /);
    expect(raised.helper).toBeNull();
    await Promise.all([kill(plain), kill(raised)]);
  });
});

describe('a program that dies while it starts', () => {
  it('leaves no helper behind, whenever that is', async () => {
    const pids: number[] = [];
    for (let delay = 0; delay < 200; delay += 1) {
      const text = `${program} </dev/null >/dev/null & pid=$!; i=0; while [ $i -lt ${delay * 20} ]; do i=$((i+1)); done; kill -9 $pid 2>/dev/null; echo $pid`;
      pids.push(Number(execFileSync('/bin/sh', ['-c', text], { env: preloading(), encoding: 'utf8' })));
    }
    const names = new Set(pids.map((pid) => `freemem/${pid}`));
    const left = (): number[] =>
      readdirSync('/proc')
        .map(Number)
        .filter((pid) => names.has(nameOf(pid) ?? '') && !isGone(pid));
    await until(() => left().length === 0);
  });
});
