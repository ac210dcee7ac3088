/** Passwords that libvirt's definitions bring along are not everyone's to read. */
import { expect, test } from 'vitest';
import { emitDomain } from '../../../lib/xml/emit.ts';
import { parseDomain } from '../../../lib/xml/parse.ts';
import { withoutSecrets } from '../../../lib/xml/secrets.ts';
import { countingOptions } from './generate.ts';

const graphics = (attributes: string): string => `<graphics type='vnc' port='5901' ${attributes}/>`;
const disk = `<disk type='network' device='cdrom'><driver name='qemu' type='raw'/>
  <source protocol='https' name='a.iso'><host name='h'/><cookies><cookie name='session'>hunter2</cookie></cookies></source>
  <target dev='sda' bus='sata'/><readonly/></disk>`;

function printed(devices: string): string {
  const text = `<domain type='qemu'><name>a</name><description>passwd='not one'</description><memory>262144</memory>
    <os><type arch='x86_64' machine='q35'>hvm</type></os><devices>${devices}</devices></domain>`;
  return emitDomain(parseDomain(text, countingOptions('a.xml', true)).domain);
}

test.each([
  ["passwd='hunter2'", graphics("passwd='hunter2'")],
  ['passwd="hun\'ter2"', graphics('passwd="hun\'ter2"')],
  ['a cookie of a server', disk],
])('%s is kept, and left out of what is shown', (_what, devices) => {
  const whole = printed(devices);
  expect(whole).toMatch(/hun'?ter2/);
  const shown = withoutSecrets(whole);
  expect(shown).not.toMatch(/hun'?ter2/);
  expect(shown).toMatch(/type='(vnc|network)'/);
});

test('a text that only reads like one stays', () => {
  const whole = printed('');
  expect(whole).toContain('not one');
  expect(withoutSecrets(whole)).toBe(whole);
});
