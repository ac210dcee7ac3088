/** Who may what: another user at a socket that was opened to all, by host.yaml's lists. */
import { chmodSync } from 'node:fs';
import { expect, test } from 'vitest';
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
});
