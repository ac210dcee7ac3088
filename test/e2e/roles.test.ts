/** Who may what: another user at a socket that was opened to all, by host.yaml's lists. */
import { chmodSync, existsSync, readFileSync, statSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Client } from '../../lib/client/client.ts';
import { createHost, describeEndToEnd } from './harness.ts';

describeEndToEnd('roles', () => {
  test('another user may look, may change when host.yaml says so, and force-start when it says that too', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    chmodSync(host.at('run'), 0o755);
    chmodSync(host.socket, 0o666);
    const through = host.asNobody();
    const ask = async (...args: string[]): Promise<string> => {
      const { exit, stderr } = await host.domctl(args, { through });
      return `${exit} ${stderr.split('\n')[0]}`.trim();
    };
    expect(await ask('list', '--all')).toBe('0');
    expect(await ask('start', 'db1')).toBe('6 error: to change anything is not for nobody');
    host.writeHostYaml({ security: { user: 'nobody', control: ['nobody'], observe: ['root'] } });
    expect(await ask('force-start', 'db1', '--dry-run')).toBe('0');
    expect(await ask('force-start', 'db1')).toBe('6 error: force-start is not for nobody');
    expect(await host.state('db1')).toBe('shut off');
    host.writeHostYaml({ security: { user: 'nobody', control: ['nobody'], forceStart: ['nobody'] } });
    expect(await ask('force-start', 'db1')).toBe('0');
    expect(host.journal().at(-1)).toBeDefined();
    expect(host.journal().find(({ launch }) => launch?.id === 1)?.launch.requester).toMatchObject({ uid: 65534 });
    host.writeHostYaml({ security: { user: 'nobody', observe: ['root'] } });
    expect(await ask('list')).toBe('6 error: to look at domains is not for nobody');
    host.writeHostYaml({ security: { user: 'nobody', forceStart: ['nobody'] } });
    await host.ok('destroy', 'db1', '--wait');
    expect((await host.domctl(['force-start', 'db1'])).exit).toBe(6);
    await host.ok('start', 'db1');
  });

  test('another user may not type into a guest: a console is for who may change it', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    chmodSync(host.socket, 0o666);
    const through = host.asNobody();
    const { exit, stderr } = await host.domctl(['console', 'db1'], { through });
    expect(`${exit} ${stderr.split('\n')[0]}`).toBe('6 error: to change anything is not for nobody');
    expect((await host.domctl(['console', 'db1'])).exit).toBe(4);
  });
});

describeEndToEnd('the socket for questions', () => {
  test('answers whoever host.yaml lets look, and changes nothing for anybody', async () => {
    await using host = await createHost();
    const file = host.writeXml(host.xml({ name: 'db1' }).replace('</devices>', `${screen}</devices>`));
    await host.ok('define', file, '--allow-unsupported');
    expect(statSync(host.socket).mode & 0o777).toBe(0o600);
    expect(statSync(host.at('run/domctld-ro.sock')).mode & 0o777).toBe(0o666);
    const through = host.asNobody();
    const ask = async (...args: string[]): Promise<string> => {
      const { exit, stdout, stderr } = await host.domctl(args, { through });
      return `${exit} ${stderr.split('\n')[0]}${stdout}`.trim();
    };
    expect(await ask('list', '--all', '--name')).toBe('0 db1');
    expect(await ask('domstate', 'db1')).toBe('0 shut off');
    for (const args of [
      ['start', 'db1'],
      ['destroy', 'db1'],
      ['undefine', 'db1'],
      ['daemon', 'stop'],
      ['console', 'db1'],
    ])
      expect.soft(await ask(...args), args.join(' ')).toBe('6 error: this socket is for questions alone');
    expect(await ask('dumpxml', 'db1')).not.toContain('hunter2');
    expect(await ask('dumpxml', 'db1', '--security-info')).toBe('6 error: this socket is for questions alone');
    expect(await host.ok('dumpxml', 'db1')).not.toContain('hunter2');
    expect(await host.ok('dumpxml', 'db1', '--security-info')).toContain('hunter2');
    expect(readFileSync(host.at('log/domctld.log'), 'utf8')).not.toContain('hunter2');
    host.writeHostYaml({ security: { user: 'nobody', observe: ['root'] } });
    expect(await ask('list')).toBe('6 error: to look at domains is not for nobody');
    expect((await host.domctl(['list', '--all', '--name'])).stdout.trim()).toBe('db1');
  });

  test('goes with its daemon, and one that was left behind is replaced', async () => {
    await using host = await createHost();
    await host.define({ name: 'db1' });
    await host.killDaemon();
    await host.nextDaemon();
    const questions = new Client(host.at('run/domctld-ro.sock'));
    expect((await questions.version()).name).toBe('domctl');
    await host.ok('daemon', 'stop');
    expect(existsSync(host.at('run/domctld-ro.sock'))).toBe(false);
  });
});

const screen = "<graphics type='vnc' port='5999' passwd='hunter2'/>";
