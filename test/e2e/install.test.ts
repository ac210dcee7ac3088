/** packaging/install.sh: into an empty directory, and what it put there runs from there. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import Module from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { expect, onTestFinished, test } from 'vitest';
import { describeEndToEnd } from './harness.ts';

const script = 'packaging/install.sh';

describeEndToEnd('built', () => {
  test.each(['cli', 'daemon'])('what V8 made of %s.cjs is of this V8, and of this bundle', (name) => {
    const bundle = readFileSync(`dist/${name}.cjs`, 'utf8');
    const cachedData = readFileSync(`dist/${name}.cjs.cache`);
    expect(new Script(Module.wrap(bundle), { cachedData }).cachedDataRejected).toBe(false);
    expect(new Script(Module.wrap(`${bundle} `), { cachedData }).cachedDataRejected).toBe(true);
  });
});

describeEndToEnd('installed', () => {
  test('install.sh puts everything in its place, and domctl runs from there', () => {
    const root = mkdtempSync(join(tmpdir(), 'domctl-install-'));
    onTestFinished(() => rmSync(root, { recursive: true }));
    execFileSync(script, ['/usr'], { env: { ...process.env, DESTDIR: root } });
    for (const path of [
      ...['share/man/man1/domctl.1', 'lib/domctl/policies/host.yaml', 'lib/domctl/docs/openapi.json'],
      ...['lib/domctl/native/build/Release/domctl-brake', 'lib/domctl/dist/cli.cjs.cache'],
      ...['lib/libasyncteardown.so', 'share/man/man7/libasyncteardown.7'],
    ])
      expect.soft(existsSync(join(root, 'usr', path)), path).toBe(true);
    const service = readFileSync(join(root, 'usr/lib/systemd/system/domctld.service'), 'utf8');
    expect(service).toMatch(/^ExecStart=\/usr\/bin\/domctld$/m);
    const places = { ...process.env, DOMCTL_STATE_DIR: join(root, 'state'), DOMCTL_RUNTIME_DIR: join(root, 'run') };
    const env = { ...places, DOMCTL_LOG_DIR: join(root, 'log'), DOMCTL_CGROUP_ROOT: `/domctl-install-${process.pid}` };
    const domctl = (...args: string[]) => spawnSync(join(root, 'usr/bin/domctl'), args, { env, encoding: 'utf8' });
    expect(domctl('--version')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    expect(domctl('list', '--all')).toMatchObject({ status: 0, stderr: '' });
    // Of verbs that have a bundle of their own.
    expect(domctl('policy', 'list')).toMatchObject({ status: 0, stderr: '' });
    expect(domctl('doctor').stdout).toMatch(/^\d+ passed, \d+ warnings?, \d+ failed$/m);
    expect(domctl('daemon', 'stop').status).toBe(0);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "install.sh makes the hypervisors' user and the group once, and not for a package",
    () => {
      const root = mkdtempSync(join(tmpdir(), 'domctl-install-'));
      onTestFinished(() => rmSync(root, { recursive: true }));
      const accounts = ['passwd', 'group'].map((name) => readFileSync(join('/etc', name), 'utf8'));
      // A copy of /etc of its own: the host's accounts stay as they are.
      const own = `cp -a /etc ${root}/etc && mount --bind ${root}/etc /etc && sed -i '/^domctl/d' /etc/passwd /etc/group /etc/shadow /etc/gshadow`;
      execFileSync('unshare', ['-m', 'sh', '-e', '-c', `${own}\n${script} ${root}/usr\n${script} ${root}/usr`]);
      const made = readFileSync(join(root, 'etc/passwd'), 'utf8').split('\n');
      expect(made.filter((line) => line.startsWith('domctl'))).toEqual([
        expect.stringMatching(/^domctl-qemu:x:\d+:\d+:[^:]*:\/:\/usr\/sbin\/nologin$/),
      ]);
      const groups = readFileSync(join(root, 'etc/group'), 'utf8').split('\n');
      expect(
        groups
          .filter((line) => line.startsWith('domctl'))
          .map((line) => line.split(':')[0])
          .sort(),
      ).toEqual(['domctl', 'domctl-qemu']);
      execFileSync(script, ['/usr'], { env: { ...process.env, DESTDIR: join(root, 'package') } });
      expect(readFileSync(join(root, 'package/usr/lib/sysusers.d/domctl.conf'), 'utf8')).toContain('u domctl-qemu ');
      expect(['passwd', 'group'].map((name) => readFileSync(join('/etc', name), 'utf8'))).toEqual(accounts);
    },
  );

  test('install.sh takes no relative prefix', () => {
    expect(spawnSync(script, ['usr'], { encoding: 'utf8' })).toMatchObject({ status: 2, stdout: '' });
  });
});
