import { readdirSync, readFileSync } from 'node:fs';
import { fc, test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';
import type { Disk, Domain, Serial, UnsupportedFragment } from '../../lib/domain/definition.ts';
import { DomctlError } from '../../lib/errors.ts';
import { emitDomain } from '../../lib/xml/emit.ts';
import { parseDomain } from '../../lib/xml/parse.ts';
import { escapeXml } from '../../lib/xml/serialize.ts';
import { domainName } from '../../lib/xml/values.ts';

const notXml = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;
const characters = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: fc.constantFrom(...'<>&\'"\t\n\r ]]>=/:a1é'), maxLength: 20 }),
);
const content = characters.filter((text) => !notXml.test(text) && text.trim() !== '');
const oneLine = content.filter((text) => !/[\n\r]/.test(text));
const path = content.filter((text) => !/\p{Cc}/u.test(text)).map((text) => `/${text}`);
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { nil: null });

const mac = fc
  .array(fc.integer({ min: 0, max: 255 }), { minLength: 6, maxLength: 6 })
  .map((bytes) =>
    bytes.map((byte, index) => (index === 0 ? byte & 0xfe : byte).toString(16).padStart(2, '0')).join(':'),
  );

const disk: fc.Arbitrary<Disk> = fc.record({
  path,
  format: fc.constantFrom('raw', 'qcow2'),
  target: fc.stringMatching(/^vd[a-z]{1,3}$/),
  bus: fc.constant('virtio'),
  readonly: fc.boolean(),
  shareable: fc.boolean(),
});

function ports(kind: Serial['kind'], most: number): fc.Arbitrary<Serial[]> {
  const one = fc.record({
    kind: fc.constant(kind),
    path,
    append: maybe(fc.boolean()),
    port: fc.integer({ min: 0, max: most }),
  });
  return fc.uniqueArray(one, { selector: ({ port }) => port, maxLength: 4 });
}

const policyAndMetadata = fc
  .tuple(maybe(fc.stringMatching(/^[a-z][a-z-]{0,20}$/)), maybe(content))
  .map(([policy, note]) => {
    const inside =
      note === null ? '' : `<n:note xmlns:n='urn:n' text='${escapeXml(note, true)}'>${escapeXml(note, false)}</n:note>`;
    const chosen = policy === null ? '' : `<policy xmlns='urn:domctl:policy:1' name='${policy}'/>`;
    return { policy, metadataXml: inside + chosen === '' ? null : `<metadata>${inside}${chosen}</metadata>` };
  });

const serialsAndConsoles = fc
  .tuple(ports('serial', 3), ports('virtio', 30), fc.boolean())
  .map(([serials, consoles, doubled]) => ({
    serials,
    consoles: [...(doubled ? serials.slice(0, 1) : []), ...consoles],
  }));

const memory = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 43 - 1 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([kib, share]) => ({
    memoryBytes: kib * 1024,
    currentMemoryBytes: Math.max(1, Math.floor(kib * share)) * 1024,
  }));

const unsupported: fc.Arbitrary<UnsupportedFragment[]> = fc
  .tuple(fc.array(content, { maxLength: 3 }), fc.array(content, { maxLength: 3 }))
  .map(([elements, attributes]) => [
    ...elements.map(
      (text) => ({ kind: 'element', parent: '/domain', xml: `<clock offset="${escapeXml(text, true)}"/>` }) as const,
    ),
    { kind: 'element', parent: '/domain/features', xml: '<hap/>' },
    ...attributes.map((text, index) => {
      return { kind: 'attribute', parent: '/domain/memory', xml: `a${index}='${escapeXml(text, true)}'` } as const;
    }),
    { kind: 'attribute', parent: '/domain/vcpu', xml: "placement='auto'" },
  ]);

const plain = fc.record({
  type: fc.constantFrom('qemu', 'kvm'),
  name: content.filter((name) => 'value' in domainName.read(name)),
  uuid: fc.uuid(),
  title: maybe(oneLine),
  description: maybe(content),
  vcpus: fc.integer({ min: 1, max: 65535 }),
  memoryBacking: fc.record({
    source: fc.constantFrom('anonymous', 'memfd'),
    access: fc.constantFrom('private', 'shared'),
    allocation: fc.constantFrom('ondemand', 'immediate'),
    allocationThreads: maybe(fc.integer({ min: 1, max: 65535 })),
  }),
  os: fc.record({
    arch: fc.constant('x86_64'),
    machine: fc.stringMatching(/^[a-z][a-z0-9.-]{0,20}$/),
    boot: fc.array(fc.constantFrom('fd', 'hd', 'cdrom', 'network'), { maxLength: 3 }),
    kernel: maybe(path),
    initrd: maybe(path),
    cmdline: maybe(content),
  }),
  features: fc.record({
    acpi: fc.boolean(),
    apic: fc.boolean(),
    pae: fc.boolean(),
    asyncTeardown: maybe(fc.boolean()),
  }),
  lifecycle: fc.constant({ onPoweroff: 'destroy', onReboot: 'restart', onCrash: 'destroy' } as const),
  emulator: maybe(path),
  disks: fc.uniqueArray(disk, { selector: ({ target }) => target, maxLength: 3 }),
  interfaces: fc.array(
    fc.record({ type: fc.constant('user'), mac, model: fc.constantFrom('virtio', 'e1000', 'e1000e', 'rtl8139') }),
    { maxLength: 3 },
  ),
  memballoon: fc.constantFrom('virtio', 'none'),
}) satisfies fc.Arbitrary<Partial<Domain>>;

const anyDomain: fc.Arbitrary<Domain> = fc
  .tuple(plain, policyAndMetadata, serialsAndConsoles, memory, fc.oneof(fc.constant([]), unsupported))
  .map(([one, metadata, ports, sizes, fragments]) => ({
    ...one,
    ...metadata,
    ...ports,
    ...sizes,
    unsupported: fragments,
  }));

function parse(text: string, allowUnsupported: boolean): Domain {
  const generate = { uuid: () => '00000000-0000-4000-8000-000000000001', mac: () => '52:54:00:00:00:01' };
  return parseDomain(text, { file: 'vm.xml', allowUnsupported, generate }).domain;
}

/** Reads `text`; what is refused must be refused properly, what is read must survive being printed. */
function judge(text: string): void {
  for (const allowUnsupported of [false, true]) {
    const begin = performance.now();
    try {
      const domain = parse(text, allowUnsupported);
      expect(parse(emitDomain(domain), allowUnsupported)).toEqual(domain);
    } catch (error) {
      if (!(error instanceof DomctlError)) throw error;
      expect(error.code).toBe('INVALID_XML');
      expect(error.message).toMatch(/^vm\.xml:\d+:\d+: /);
    }
    expect(performance.now() - begin).toBeLessThan(1000);
  }
}

const directory = new URL('../fixtures/domain-xml/', import.meta.url);
const names = readdirSync(directory).filter((name) => name.endsWith('.xml'));
const documents = names.map((name) => readFileSync(new URL(name, directory), 'utf8'));
const snippets = [
  ...'<>&\'"/=!?- \n:\u0000\uFEFF',
  ...documents.flatMap((document) => document.match(/<[^>]+>|'[^']*'/g) ?? []),
  '<!DOCTYPE a [<!ENTITY b "c">]>',
  '<![CDATA[ x ]]>',
  '&amp;',
  '&#10;',
  '&#x0;',
  '<!-- -->',
  "xmlns='urn:x'",
  "xmlns:p='urn:domctl:policy:1'",
  '<p:policy/>',
  '<__proto__/>',
];

interface Edit {
  readonly at: number;
  readonly cut: number;
  readonly insert: string;
}

/** Cuts and inserts at places given as a share of the text. */
function mutate(text: string, edits: readonly Edit[]): string {
  return edits.reduce((result, { at, cut, insert }) => {
    const start = Math.floor(at * result.length);
    return result.slice(0, start) + insert + result.slice(start + cut);
  }, text);
}

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 80 })),
  insert: fc.oneof(fc.constant(''), fc.constantFrom(...snippets), characters),
});

describe('domain XML', () => {
  test.prop([anyDomain])('that was printed is read as the same domain, and printed the same again', (domain) => {
    const printed = emitDomain(domain);
    const again = parse(printed, domain.unsupported.length > 0);
    expect(again).toEqual(domain);
    expect(emitDomain(again)).toBe(printed);
  });

  test.prop([fc.string({ unit: 'binary' })])('that is any text is read or refused, never anything else', judge);

  test.prop([fc.constantFrom(...documents), fc.array(edit, { minLength: 1, maxLength: 4 })], { numRuns: 400 })(
    'that was mangled is read or refused, never anything else',
    (document, edits) => judge(mutate(document, edits)),
  );
});
