/** Bad input and bad hosts: one clear error line, the documented exit code, a way out, and nothing changed. */
import { chownSync, existsSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { expect, test } from 'vitest';
import { eventually, hierarchy, isAlive, statusField } from './facts.ts';
import { createHost, describeEndToEnd, type Host, nobody } from './harness.ts';

interface Refusal {
  readonly exit: number;
  readonly code?: string;
  readonly message: RegExp;
  readonly hint?: RegExp;
}

/** Runs domctl and expects exactly one error line, at most one hint, and no change of anything. */
async function refused(
  host: Host,
  args: readonly string[],
  expected: Refusal,
  how: { input?: string } = {},
): Promise<void> {
  const before = await host.snapshot();
  const result = await host.domctl([...args, '--json'], how);
  expectRefusal(result, expected, args.join(' '));
  expect.soft(await host.snapshot(), args.join(' ')).toEqual(before);
}

function expectRefusal(
  result: { exit: number | null; stdout: string; stderr: string },
  expected: Refusal,
  what: string,
): void {
  expect.soft(result.exit, `${what}\n${result.stderr.slice(0, 500)}`).toBe(expected.exit);
  expect.soft(result.stderr.slice(0, 1000), what).toMatch(/^error: \S.*\n(hint: \S.*\n)?$/);
  const { error } = JSON.parse(result.stdout);
  expect.soft(error.message.length, what).toBeLessThan(600);
  expect.soft(error.message, what).toMatch(expected.message);
  if (expected.code) expect.soft(error.code, what).toBe(expected.code);
  if (expected.hint) expect.soft(error.hint, what).toMatch(expected.hint);
}

const laughs = `<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY a 'lol'>${Array.from(
  { length: 9 },
  (_, index) => `<!ENTITY ${'bcdefghij'[index]} '${`&${'abcdefghi'[index]};`.repeat(10)}'>`,
).join('')}]><domain type='qemu'><name>&j;</name></domain>`;

describeEndToEnd('bad XML', () => {
  test('is refused with 7 by file, line and path, and changes nothing', async () => {
    await using host = await createHost();
    await host.define({ name: 'good' });
    const good = host.xml({ name: 'bad' });
    for (const [what, xml, message] of [
      ['broken', good.replace('</devices>', ''), /given\.xml:\d+:\d+: /],
      ['not closed', good.slice(0, 60), /given\.xml:\d+:\d+: /],
      ['billion laughs', laughs, /document type and entity declarations are refused/],
      ['an unknown element', good.replace('<vcpu>', '<frobnicate/><vcpu>'), /given\.xml:\d+:\d+: \/domain\/frobnicate/],
      ['a wrong unit', good.replace("unit='MiB'", "unit='parsec'"), /\/domain\/memory\/@unit: "parsec" is not a unit/],
      ['a name that climbs', good.replace('<name>bad', '<name>../../etc/bad'), /\/domain\/name: .* has a \/ in it/],
      ['no name', good.replace('<name>bad</name>', ''), /name/],
      ['no memory to speak of', good.replace('>64<', '>0<'), /\/domain\/memory/],
      ['empty', '', /given\.xml/],
      ['junk', 'x'.repeat(10 * 2 ** 20), /given\.xml/],
      ['binary junk', '\u0000\u0001\uffff'.repeat(1000), /given\.xml/],
      ['deep nesting', '<a>'.repeat(100_000), /given\.xml/],
      [
        'a long well-formed text',
        good.replace('<vcpu>', `<description>${'y'.repeat(10 * 2 ** 20)}</description><vcpu>`),
        /given\.xml/,
      ],
    ] as const)
      await refused(host, ['define', host.writeXml(xml)], { exit: 7, code: 'INVALID_XML', message }).catch(
        (error: unknown) => {
          throw new Error(what, { cause: error });
        },
      );
    await refused(host, ['define', host.at('none.xml')], { exit: 1, message: /none\.xml: no such file/ });
    await refused(host, ['define', host.directory], { exit: 1, message: /is a directory/ });
    expect(existsSync(host.at('state/domains/bad.xml'))).toBe(false);
  });

  test('what is unknown is let through on request, with a warning, and kept', async () => {
    await using host = await createHost();
    const file = host.writeXml(host.xml({ name: 'db1' }).replace('<vcpu>', "<frobnicate with='care'/><vcpu>"));
    const { exit, stderr } = await host.domctl(['define', file, '--allow-unsupported']);
    expect(exit).toBe(0);
    expect(stderr).toMatch(/^warning: .*frobnicate/);
    expect(await host.ok('dumpxml', 'db1')).toMatch(/<frobnicate with=["']care["']\/>/);
  });

  test('a name or a UUID that another domain has is refused (1)', async () => {
    await using host = await createHost();
    const uuid = '11111111-2222-4333-8444-555555555555';
    await host.define({ name: 'db1', uuid });
    await refused(host, ['define', host.writeXml({ name: 'db2', uuid })], {
      exit: 1,
      code: 'DOMAIN_EXISTS',
      message: /'db1' already has uuid/,
    });
    await refused(host, ['define', host.writeXml({ name: 'db1', uuid: uuid.replace('1', '9') })], {
      exit: 1,
      code: 'DOMAIN_EXISTS',
      message: /'db1' already exists with uuid/,
    });
  });
});

describeEndToEnd('bad policies', () => {
  test('refuse the starts of their domains with 7, by line and key; what runs is not touched', async () => {
    await using host = await createHost({ policies: { mine: {} } });
    const { pid } = await host.run({ name: 'on', emulator: host.oddQemu('polite'), policy: 'mine' });
    await host.define({ name: 'off', policy: 'mine' });
    host.writePolicy(
      'mine',
      'kind: policy\nversion: 1\nname: mine\ndescription: x\nextends: balanced\ndestroy:\n  killafter: 3s\n',
    );
    for (const verb of ['start', 'force-start'])
      await refused(host, [verb, 'off'], {
        exit: 7,
        code: 'INVALID_POLICY',
        message: /mine\.yaml:7:3: destroy\.killafter/,
        hint: /killAfter/,
      });
    expect(await host.info('on')).toMatchObject({ state: 'running', pid });
    expect(await host.ok('resources')).toContain('on');
    await host.ok('destroy', 'on', '--wait');
    expect(isAlive(pid!)).toBe(false);
  });

  test('a broken host.yaml refuses starts with 7, and questions about domains go on', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'on', emulator: host.oddQemu('polite') });
    await host.define({ name: 'off' });
    host.writeHostYaml('kind: host\nversion: 1\nsecurity:\n  usr: nobody\n');
    await refused(host, ['start', 'off'], {
      exit: 7,
      code: 'INVALID_POLICY',
      message: /host\.yaml:4:3: security\.usr/,
    });
    expect(await host.state('on')).toBe('running');
    expect(await host.ok('list', '--all')).toContain('off');
    await host.ok('destroy', 'on', '--wait');
    expect(isAlive(pid!)).toBe(false);
  });

  test('a policy the host does not allow is refused with 6, one that is not there with 7', async () => {
    await using host = await createHost({
      policies: { mine: {} },
      hostYaml: { allowedPolicies: ['balanced', 'ghost'] },
    });
    await host.define({ name: 'a', policy: 'mine' });
    await host.define({ name: 'b', policy: 'ghost' });
    await refused(host, ['start', 'a'], {
      exit: 6,
      code: 'POLICY_FORBIDS',
      message: /names policy 'mine', which this host does not allow/,
      hint: /allowed: balanced, ghost/,
    });
    await refused(host, ['start', 'b'], { exit: 7, code: 'INVALID_POLICY', message: /no policy is named 'ghost'/ });
  });
});

describeEndToEnd('a host that lacks something', () => {
  test('is told with 8 and the remedy', async () => {
    await using host = await createHost();
    await host.define({ name: 'no-qemu', emulator: '/nonexistent/qemu' });
    await refused(host, ['start', 'no-qemu'], {
      exit: 8,
      code: 'HOST_LACKS',
      message: /no emulator at \/nonexistent\/qemu/,
      hint: /^apt-get install .*qemu-system-x86$/,
    });
    await host.define({ name: 'not-qemu', emulator: '/bin/true' });
    await refused(host, ['start', 'not-qemu'], { exit: 8, message: /\/bin\/true is not a QEMU/ });
    await host.define({ name: 'no-disk', disks: [host.at('none.img')] });
    await refused(host, ['start', 'no-disk'], { exit: 8, message: /none\.img \(disk 'vda'\) does not exist/ });
    await host.define({ name: 'dir-disk', disks: [host.directory] });
    await refused(host, ['start', 'dir-disk'], { exit: 8, message: /is not a regular file/ });
    await host.define(host.xml({ name: 'no-kernel' }).replace('</os>', '<kernel>/nonexistent/vmlinuz</kernel></os>'));
    await refused(host, ['start', 'no-kernel'], {
      exit: 8,
      message: /\/nonexistent\/vmlinuz \(kernel\) does not exist/,
    });
    if (!existsSync('/dev/kvm')) {
      await host.define({ name: 'no-kvm', type: 'kvm' });
      await refused(host, ['start', 'no-kvm'], { exit: 8, message: /no \/dev\/kvm/, hint: /kvm_amd/ });
    }
  });

  test('no QEMU in any usual place: the apt line', async () => {
    await using host = await createHost();
    const usual = ['/usr/bin/qemu-system-x86_64', '/usr/libexec/qemu-kvm', '/usr/bin/qemu-kvm'].filter((path) =>
      existsSync(path),
    );
    const hide = usual.map((path) => `mount --bind /dev/null ${path} && `).join('');
    const through = ['unshare', '-m', 'sh', '-c', `${hide}exec "$@"`, 'sh'];
    const started = await host.domctl(['daemon', 'start'], { through });
    expect(started.exit, started.stderr).toBe(0);
    await host.define({ name: 'db1', emulator: null });
    await refused(host, ['start', 'db1'], {
      exit: 8,
      message: /^no QEMU found on this host$/,
      hint: /^apt-get install .*qemu-system-x86$/,
    });
  });

  test('no user for hypervisors: the useradd line, unless root is allowed by name', async () => {
    await using host = await createHost({ hostYaml: { security: { user: 'domctl-nosuch' } } });
    await host.define({ name: 'db1' });
    await refused(host, ['start', 'db1'], {
      exit: 8,
      message: /'domctl-nosuch' does not exist/,
      hint: /useradd --system .* domctl-nosuch/,
    });
    host.writeHostYaml({ security: { user: 'root' } });
    await refused(host, ['start', 'db1'], { exit: 8, message: /security\.user 'root' is root/ });
    host.writeHostYaml({ security: { user: 'domctl-nosuch', allowRootHypervisor: true } });
    await host.ok('start', 'db1');
    const { pid } = await host.info('db1');
    expect(statusField(pid!, 'Uid')).toBe('0 0 0 0');
    expect(statusField(pid!, 'CapEff')).toBe('0000000000000000');
    expect(host.log).toMatch(/"level":40.*hypervisor runs as root/);
  });

  test('a cgroup file system that cannot be written: 8 and the remedy, and no daemon', async () => {
    await using host = await createHost();
    const through = [
      'unshare',
      '-m',
      'sh',
      '-c',
      `mount -o remount,bind,ro ${hierarchy.mount.mountPoint} && exec "$@"`,
      'sh',
    ];
    const result = await host.domctl(['list', '--json'], { through });
    expectRefusal(
      result,
      { exit: 8, code: 'HOST_LACKS', message: /read-only/, hint: /--cgroupns=host -v \/sys\/fs\/cgroup/ },
      'read-only',
    );
    expect(await host.ok('daemon', 'status')).toBe('domctld is not running\n');
  });

  test('places that cannot be: 2', async () => {
    await using host = await createHost();
    for (const [flag, value] of [
      ['--runtime-dir', `/tmp/${'x'.repeat(120)}`],
      ['--state-dir', 'relative/state'],
    ] as const)
      expectRefusal(
        await host.domctl(['list', flag, value, '--json']),
        { exit: 2, code: 'USAGE', message: /too long|not an absolute path/ },
        flag,
      );
  });
});

describeEndToEnd('a socket that is not ours', () => {
  async function listening(path: string, answer: string | null): Promise<Server> {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.resume();
      if (answer === null) socket.destroy();
      else socket.end(answer);
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return server;
  }

  test('is refused with 9, whoever it belongs to, and left alone', async () => {
    await using host = await createHost();
    mkdirSync(host.at('run'));
    for (const answer of [
      'SSH-2.0-other\r\n',
      'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n{"name":"not"}',
      null,
    ]) {
      const server = await listening(host.socket, answer);
      const result = await host.domctl(['list', '--json']);
      expectRefusal(result, { exit: 9, message: /./ }, `answer ${String(answer)}`);
      await new Promise((resolve) => server.close(resolve));
    }
    const server = await listening(host.socket, 'nothing');
    chownSync(host.socket, nobody, nobody);
    expectRefusal(
      await host.domctl(['list', '--json']),
      { exit: 9, code: 'SOCKET_NOT_OURS', message: /belongs to uid 65534/ },
      'owner',
    );
    await new Promise((resolve) => server.close(resolve));
  });

  test('and a plain file in its place is not replaced', async () => {
    await using host = await createHost();
    mkdirSync(host.at('run'));
    writeFileSync(host.socket, 'precious');
    expectRefusal(
      await host.domctl(['list', '--json']),
      { exit: 9, code: 'SOCKET_NOT_OURS', message: /is not a socket/ },
      'plain file',
    );
    expect(existsSync(host.socket)).toBe(true);
  });

  test('a socket that a dead daemon left is replaced', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    await host.killDaemon();
    expect(existsSync(host.socket)).toBe(true);
    expect(await host.state('db1')).toBe('shut off');
  });
});

describeEndToEnd('images', () => {
  test("one writable image is one domain's, under whatever name (4)", async () => {
    await using host = await createHost();
    const image = host.image('a.img');
    const [soft, hard] = [host.at('soft.img'), host.at('hard.img')];
    symlinkSync(image, soft);
    linkSync(image, hard);
    await host.run({ name: 'db1', emulator: host.oddQemu('polite'), disks: [image] });
    for (const disk of [image, soft, hard, { path: image, readonly: true }, { path: image, shareable: true }]) {
      await host.define({ name: 'db2', disks: [disk] });
      await refused(host, ['start', 'db2'], {
        exit: 4,
        code: 'CLAIM_CONFLICT',
        message: /\.img is in use by domain 'db1' \(incarnation 1\)/,
        hint: /end 'db1' first/,
      });
    }
  });

  test('read-only and shareable ones may be shared, and are proven free one by one', async () => {
    await using host = await createHost();
    const image = host.image('a.img');
    for (const name of ['db1', 'db2']) await host.run({ name, disks: [{ path: image, readonly: true }] });
    await host.define({ name: 'db3', disks: [image] });
    expect((await host.domctl(['start', 'db3'])).exit).toBe(4);
    await host.ok('destroy', 'db1', '--wait');
    expect(await host.state('db2')).toBe('running');
    expect((await host.domctl(['start', 'db3'])).exit).toBe(4);
    await host.ok('destroy', 'db2', '--wait');
    await host.ok('start', 'db3');
  });

  test('an image that another program has locked is refused by name (4), before anything is spawned', async () => {
    await using host = await createHost();
    const image = host.image('a.img');
    const holder = await host.holdLock(image, 101, 201);
    await host.define({ name: 'db1', disks: [image] });
    const before = await host.snapshot();
    const { exit, stderr } = await host.domctl(['start', 'db1']);
    expect(exit).toBe(4);
    expect(stderr).toMatch(
      new RegExp(
        `^error: cannot start domain 'db1': ${image} is locked by python3[^ ]* \\(pid ${holder.pid}\\)\\nhint: .*\\n$`,
      ),
    );
    expect(await host.snapshot()).toEqual(before);
    await holder.letGo();
    await host.ok('start', 'db1');
  });

  test("an image that the hypervisor may not open: QEMU's own words", async () => {
    await using host = await createHost();
    const image = host.image('a.img');
    chownSync(image, 0, 0);
    // Shared by many to write: lent to none of them.
    await host.define({ name: 'db1', disks: [{ path: image, shareable: true }] });
    const { exit, stderr } = await host.domctl(['start', 'db1']);
    expect(exit).toBe(1);
    expect(stderr).toMatch(/^error: cannot start domain 'db1': .*Could not open '.*a\.img': Permission denied/);
    expect((await host.becomes('db1', 'shut off')).lastOutcome).toMatchObject({ kind: 'failed', exitCode: 1 });
    expect(await host.ok('domstate', 'db1', '--reason')).toBe('shut off (failed)\n');
  });
});

describeEndToEnd('a hypervisor that dies while starting', () => {
  test.each([
    ['dies-at-once', /cannot start domain 'db1': out of luck$/m],
    ['dies-after-greeting', /cannot start domain 'db1': the devices fell off$/m],
  ])('%s: exit 1 with its last words, then released', async (kind, words) => {
    await using host = await createHost();
    await host.define({ name: 'db1', emulator: host.oddQemu(kind) });
    const { exit, stderr } = await host.domctl(['start', 'db1']);
    expect(exit).toBe(1);
    expect(stderr).toMatch(words);
    expect((await host.becomes('db1', 'shut off')).lastOutcome).toMatchObject({ kind: 'failed', exitCode: 1 });
    expect(host.history(1)).toEqual(['launching', 'exiting', 'draining', 'released']);
  });

  test('is destroyed while starting: both commands are told', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1', emulator: host.oddQemu('late') });
    const starting = host.begin(['start', 'db1']);
    await eventually('it is born', async () => (await host.info('db1').catch(() => null))?.pid);
    expect(await host.state('db1')).toBe('starting');
    await host.ok('destroy', 'db1', '--wait');
    const { exit, stderr } = await starting.done;
    expect(exit).toBe(1);
    expect(stderr).toMatch(/^error: cannot start domain 'db1': it was destroyed while starting/);
    expect((await host.info('db1')).lastOutcome).toMatchObject({ kind: 'destroyed' });
  });
});
