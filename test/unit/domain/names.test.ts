/** Names as file names. The expected texts are systemd-escape's own (systemd 252). */
import { join } from 'node:path';
import { test as property, fc } from '@fast-check/vitest';
import { describe, expect, test } from 'vitest';
import { cgroupName, escapeName, unescapeName } from '../../../lib/domain/names.ts';

const anyName = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
const trickyName = fc.string({ unit: fc.constantFrom(...'./-\\:_ab0 \n\0%@é'), minLength: 1, maxLength: 8 });

describe('an escaped name', () => {
  test.each([
    ['plain', 'plain'],
    ['a-b', String.raw`a\x2db`],
    ['.hidden', String.raw`\x2ehidden`],
    ['.', String.raw`\x2e`],
    ['..', String.raw`\x2e.`],
    ['a.b', 'a.b'],
    ['a b', String.raw`a\x20b`],
    ['grün', String.raw`gr\xc3\xbcn`],
    ['☃', String.raw`\xe2\x98\x83`],
    ['-', String.raw`\x2d`],
    [':_', ':_'],
    [String.raw`a\b`, String.raw`a\x5cb`],
    ["it's", String.raw`it\x27s`],
    ['%i', String.raw`\x25i`],
    ['@', String.raw`\x40`],
  ])('of %j is %s', (name, escaped) => {
    expect(escapeName(name)).toBe(escaped);
  });

  /** systemd-escape writes a slash as '-', which would do as well; ours keeps the byte. libvirt names have no slash. */
  test.each([
    ['a/b', String.raw`a\x2fb`],
    ['../../etc', String.raw`\x2e.\x2f..\x2fetc`],
    ['/', String.raw`\x2f`],
  ])('of %j, which has a slash, is %s', (name, escaped) => {
    expect(escapeName(name)).toBe(escaped);
  });

  property.prop([fc.oneof(trickyName, fc.string({ unit: 'grapheme', maxLength: 60 }))])(
    'is read back as it was',
    (name) => {
      expect(unescapeName(escapeName(name))).toBe(name);
    },
  );

  property.prop([fc.oneof(anyName, trickyName)])('cannot leave its directory', (name) => {
    expect(escapeName(name)).toMatch(/^(?!\.)(?:[A-Za-z0-9:_.]|\\x[0-9a-f]{2})+$/);
    expect(join('/run/domctl', escapeName(name))).toBe(`/run/domctl/${escapeName(name)}`);
    expect(join('/domctl', cgroupName(name), '7')).toBe(`/domctl/vm-${escapeName(name)}/7`);
  });

  property.prop([fc.oneof(anyName, trickyName)])('can be read back, so that no two names are one', (name) => {
    const bytes = escapeName(name).replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    expect(Buffer.from(bytes, 'latin1')).toEqual(Buffer.from(name, 'utf8'));
  });
});
