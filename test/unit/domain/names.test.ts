/** Names as file names. The expected texts are systemd-escape's own (systemd 252). */
import { describe, expect, test } from 'vitest';
import { escapeName } from '../../../lib/domain/names.ts';

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
});
