import { expect, test } from 'vitest';
import { emitDomain } from '../../../lib/xml/emit.ts';
import { parseDomain } from '../../../lib/xml/parse.ts';
import { table } from '../../../lib/xml/properties.ts';

test('what may repeat and is not printed is set aside whole: a place in it is none of what is printed', () => {
  const split = Object.entries(table).filter(([, { repeats, without, whole }]) => {
    return repeats === 'several' && without === 'effect' && !whole;
  });
  expect(split.map(([key]) => key)).toEqual([]);
});

test.each([
  "<idmap><uid start='0' target='1' count='1'/><gid start='0' target='x' count='1'/></idmap>",
  "<perf><event name='cmt' enabled='yes' since='1'/></perf>",
  "<vcpus><vcpu id='0' enabled='yes' kind='big'/></vcpus>",
])('%s is kept as it was, through printing', (element) => {
  const xml = `<domain type='qemu'><name>x</name><memory>65536</memory><os><type>hvm</type></os>${element}</domain>`;
  const generate = { uuid: () => '00000000-0000-4000-8000-000000000001', mac: () => '52:54:00:00:00:01' };
  const parse = (text: string) => parseDomain(text, { file: 'x.xml', allowUnsupported: true, generate }).domain;
  const domain = parse(xml);
  expect(domain.unsupported).toHaveLength(1);
  expect(parse(emitDomain(domain))).toEqual(domain);
});
