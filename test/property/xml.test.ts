import { readdirSync, readFileSync } from 'node:fs';
import { fc, test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';
import type { Domain, UnsupportedFragment } from '../../lib/domain/definition.ts';
import { DomctlError } from '../../lib/errors.ts';
import { emitDomain } from '../../lib/xml/emit.ts';
import { parseDomain } from '../../lib/xml/parse.ts';
import { escapeXml } from '../../lib/xml/serialize.ts';
import { domainName } from '../../lib/xml/values.ts';
import { characters, content, maybe, oneLine } from './arbitrary.ts';
import { devices } from './devices.ts';
import { machine } from './machines.ts';
import { withAddresses, withAliases, withBootOrder } from './places.ts';

const policyAndMetadata = fc
  .tuple(maybe(fc.stringMatching(/^[a-z][a-z-]{0,20}$/)), maybe(content))
  .map(([policy, note]) => {
    const inside =
      note === null ? '' : `<n:note xmlns:n='urn:n' text='${escapeXml(note, true)}'>${escapeXml(note, false)}</n:note>`;
    const chosen = policy === null ? '' : `<policy xmlns='urn:domctl:policy:1' name='${policy}'/>`;
    return { policy, metadataXml: inside + chosen === '' ? null : `<metadata>${inside}${chosen}</metadata>` };
  });

const unsupported: fc.Arbitrary<UnsupportedFragment[]> = fc
  .tuple(fc.array(content, { maxLength: 3 }), fc.array(content, { maxLength: 3 }))
  .map(([elements, attributes]) => [
    ...elements.map(
      (text) => ({ kind: 'element', parent: '/domain', xml: `<keys name="${escapeXml(text, true)}"/>` }) as const,
    ),
    { kind: 'element', parent: '/domain/features', xml: '<msrs/>' },
    ...attributes.map((text, index) => {
      return { kind: 'attribute', parent: '/domain/memory', xml: `a${index}='${escapeXml(text, true)}'` } as const;
    }),
    { kind: 'attribute', parent: '/domain/vcpu', xml: "placement='auto'" },
  ]);

const names = fc.record({
  name: content.filter((name) => 'value' in domainName.read(name)),
  uuid: fc.uuid(),
  title: maybe(oneLine),
  description: maybe(content),
});

/** virtiofs needs memory that is shared. */
function shareMemory(domain: Domain): Domain {
  if (domain.filesystems.length === 0) return domain;
  const cpu = domain.cpu && { ...domain.cpu, numa: domain.cpu.numa.map((cell) => ({ ...cell, access: null })) };
  return { ...domain, cpu, memoryBacking: { ...domain.memoryBacking, source: 'memfd', access: 'shared' } };
}

const anyDomain: fc.Arbitrary<Domain> = fc
  .tuple(
    names,
    policyAndMetadata,
    machine,
    devices,
    fc.oneof(fc.constant([]), unsupported),
    fc.infiniteStream(fc.boolean()),
  )
  .map(([one, metadata, parts, others, fragments, coins]) => {
    const toss = (): boolean => coins.next().value === true;
    // The guest finds a store by ACPI.
    const pstore = parts.features.acpi ? others.pstore : null;
    const domain = { ...one, ...metadata, ...parts, ...others, pstore, aliases: [], unsupported: fragments };
    return withAliases(withBootOrder(withAddresses(shareMemory(domain), toss), toss), toss);
  });

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
const files = readdirSync(directory).filter((name) => name.endsWith('.xml'));
const documents = files.map((name) => readFileSync(new URL(name, directory), 'utf8'));
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
  test.prop([anyDomain])(
    'that was printed is read as the same domain, and printed the same again',
    (domain) => {
      const printed = emitDomain(domain);
      const again = parse(printed, domain.unsupported.length > 0);
      expect(again).toEqual(domain);
      expect(emitDomain(again)).toBe(printed);
    },
    // Two seconds of work for a free CPU.
    60_000,
  );

  test.prop([fc.string({ unit: 'binary' })])('that is any text is read or refused, never anything else', judge);

  test.prop([fc.constantFrom(...documents), fc.array(edit, { minLength: 1, maxLength: 4 })], { numRuns: 400 })(
    'that was mangled is read or refused, never anything else',
    (document, edits) => judge(mutate(document, edits)),
  );
});
