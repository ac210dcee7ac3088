/**
 * No text of a definition becomes an option, a file or a setting of its own: what QEMU reads of the arguments, by its own rules, is
 * that text at its place, and nothing more. Every place of the fixtures at which a free text can stand is found by trying.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { assumeCapabilities, assumeFirmware, placeholderLaunch } from '../../lib/convert/placeholders.ts';
import { DomctlError } from '../../lib/errors.ts';
import { buildArgv } from '../../lib/qemu/argv.ts';
import { parseDomain } from '../../lib/xml/parse.ts';
import { readArguments } from './qemu-arguments.ts';

const token = 'tok7';

/** What a text may bring along to get out of its place. */
const escapes = [
  ...[',readonly=off', ',,file.filename=/etc/shadow', ',server=on,path=/x', '=y', ',', ',,', ',,,'],
  ...["'", '"', '"},{"driver":"null-co', '{"a":1}', '}', '\\', '\\"', '\\u0022', '\u2028'],
  ...[' -device x', '\t-S', '\n-S', '\r\n-S', '\u0085-S', '\u0000', '\u001b[2J', '\u007f', '\u202e'],
  ...[
    '../../etc/shadow',
    '/../..',
    '..',
    ':/etc/shadow',
    ':x',
    ';id',
    '$(id)',
    '`id`',
    '|id',
    '&id',
    '%n%s',
    '#',
    '!',
    '*',
  ],
  ...['json:{}', 'nbd:unix:/x', '@h', '?q', 'ünï😀', 'x'.repeat(300)],
];

function readDocuments(name: string): string[] {
  const directory = new URL(name, import.meta.url);
  const files = readdirSync(directory).filter((file) => file.endsWith('.xml'));
  const texts = files.map((file) => readFileSync(new URL(file, directory), 'utf8'));
  // What stands there is meant to be options.
  return texts.filter((text) => !text.includes('http://libvirt.org/schemas/domain/qemu'));
}

const documents = ['../fixtures/domain-xml/', '../fixtures/corpus/']
  .flatMap(readDocuments)
  .filter((text) => readBack(text) !== null)
  .sort((a, b) => a.length - b.length);

interface Place {
  readonly document: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Every value and text of a document, by element and attribute. */
function placesIn(document: string): [key: string, place: Place][] {
  const values = /<([\w:-]+)|([\w:-]+)=(["'])([^<&]*?)\3|>([^<>&]*[^<>&\s][^<>&]*)</g;
  let element = '';
  return [...document.matchAll(values)].flatMap((found): [string, Place][] => {
    const [whole, opened, attribute, , value, content] = found;
    if (opened !== undefined) element = opened;
    const text = value ?? content;
    if (text === undefined) return [];
    const start = found.index + (attribute === undefined ? 1 : whole.length - text.length - 1);
    const key = attribute === undefined ? `<${element}>` : `<${element} ${attribute}>`;
    return [[key, { document, start, end: start + text.length, text }]];
  });
}

/** The document with another text at the place. */
function exchanged({ document, start, end }: Place, text: string): string {
  const written = text.replace(/[&<>"'\s]|\p{Cc}/gu, (one) => (one === ' ' ? one : `&#${one.codePointAt(0)};`));
  return document.slice(0, start) + written + document.slice(end);
}

/** What QEMU reads of the command line a definition becomes; null: it is refused. */
function readBack(xml: string): unknown {
  try {
    const generate = { uuid: () => '00000000-0000-4000-8000-000000000001', mac: () => '52:54:00:00:00:01' };
    const { domain } = parseDomain(xml, { file: 'vm.xml', allowUnsupported: false, generate });
    const { value: capabilities } = assumeCapabilities(domain, '/usr/bin/qemu-system-x86_64');
    const { value: firmware } = assumeFirmware(domain, '/vars.fd');
    const around = { capabilities, firmware, directory: '/run/d', nowMs: 0 };
    return readArguments(buildArgv(domain, placeholderLaunch(domain, around).value));
  } catch (error) {
    if (error instanceof DomctlError) return null;
    throw error;
  }
}

/** Every text in `value`, with the token in it made into `text`. */
function filled(value: unknown, text: string): unknown {
  if (typeof value === 'string') return value.replaceAll(token, () => text);
  if (Array.isArray(value)) return value.map((each) => filled(each, text));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, filled(each, text)]));
}

interface FreePlace {
  readonly key: string;
  readonly place: Place;
  /** With the token in it. */
  readonly sample: string;
  readonly read: unknown;
}

/** Small documents come first, and one of them will do. */
const mostTries = 3;

/** Places at which a text of the user's reaches the command line as it is, one of each kind. */
function freePlaces(): FreePlace[] {
  const candidates = new Map<string, Place[]>();
  for (const [key, place] of documents.flatMap(placesIn)) candidates.set(key, [...(candidates.get(key) ?? []), place]);
  return [...candidates].flatMap(([key, places]) => {
    for (const place of places.slice(0, mostTries)) {
      for (const sample of [token, `/${token}`, `${place.text}${token}`]) {
        const read = readBack(exchanged(place, sample));
        if (read !== null && JSON.stringify(read).includes(token)) return [{ key, place, sample, read }];
      }
    }
    return [];
  });
}

const free = freePlaces();

describe('a text of a definition', () => {
  test('is tried at every place from which it reaches the command line', () => {
    expect(free.length).toBeGreaterThan(40);
    const keys = free.map(({ key }) => key);
    expect(keys).toEqual(expect.arrayContaining(['<name>', '<source file>', '<source path>', '<cmdline>', '<entry>']));
  });

  test.each(free)('at $key stays there, or is refused', ({ place, sample, read }) => {
    for (const escape of escapes) {
      const found = readBack(
        exchanged(
          place,
          sample.replace(token, () => `${token}${escape}`),
        ),
      );
      if (found === null) continue;
      expect(found, JSON.stringify(escape)).toEqual(filled(read, `${token}${escape}`));
    }
  });
});
