/** Options that a definition gives to QEMU as they are: only where the host's operator allows them. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { domainXml } from './domains.ts';
import { createHost, describeEndToEnd } from './harness.ts';

const namespace = 'http://libvirt.org/schemas/domain/qemu/1.0';

function withOptions(name: string): string {
  const own = `<q:commandline xmlns:q='${namespace}'><q:arg value='-fw_cfg'/><q:arg value='name=opt/own,string=a b'/>
    <q:env name='OWN_VARIABLE' value='x y'/></q:commandline>`;
  return domainXml({ name }).replace('</domain>', `${own}</domain>`);
}

describeEndToEnd('qemu:commandline', () => {
  test('is refused at start unless host.yaml allows it', async () => {
    await using host = await createHost();
    await host.define(withOptions('web1'));
    const { exit, stderr } = await host.domctl(['start', 'web1']);
    expect(exit).toBe(6);
    expect(stderr).toMatch(/has a <qemu:commandline>, which this host does not allow/);
    expect(stderr).toMatch(/hint: .*security\.allowQemuCommandline/);
    expect(host.journal().filter(({ kind }) => kind === 'launch')).toEqual([]);
  });

  test('is given to QEMU where host.yaml allows it, and dominfo shows it', async () => {
    await using host = await createHost({ hostYaml: { security: { user: 'nobody', allowQemuCommandline: true } } });
    await host.define(withOptions('web1'));
    await host.ok('start', 'web1');
    const { pid } = await host.info('web1');
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain('\0-fw_cfg\0name=opt/own,string=a b\0');
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')).toContain('OWN_VARIABLE=x y');
    expect(await host.ok('dominfo', 'web1')).toMatch(/^QEMU options: +-fw_cfg name=opt\/own,string=a b$/m);
    await host.ok('destroy', 'web1', '--wait');
  });
});
