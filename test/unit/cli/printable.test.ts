/** What drives a terminal does not reach it, and nothing is lost where it can be written otherwise. */
import { describe, expect, test } from 'vitest';
import { asEscapes, asReferences, printable } from '../../../lib/cli/printable.ts';
import { renderCommand } from '../../../lib/cli/render/shell.ts';

const hostile = [
  ['a window title', 'a\u001b]0;owned\u0007b'],
  ['a cleared screen', 'a\u001b[2Jb'],
  ['the same in one byte of Latin-1', 'a\u009b2Jb'],
  ['a line written over', 'a\rb'],
  ['a deletion', 'a\b\u007fb'],
  ['a line of its own', 'a\u2028b\u0085c'],
  ['a turned direction', 'a\u202eb\u2066c'],
] as const;
const driving = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

describe.each(hostile)('%s', (_what, text) => {
  test('is shown as a question mark', () => {
    expect(printable(text)).not.toMatch(driving);
    expect(printable(text)).toHaveLength(text.length);
  });

  test('in JSON is escaped, and read as it was', () => {
    const json = asEscapes(JSON.stringify({ [text]: text }));
    expect(json).not.toMatch(driving);
    expect(JSON.parse(json)).toEqual({ [text]: text });
  });

  test('in XML is a reference to itself', () => {
    const allowed = text.replace(/[^\t\n\u0020-\uffff]/g, '');
    expect(asReferences(allowed)).not.toMatch(driving);
    const read = asReferences(allowed).replace(/&#(\d+);/g, (_all, code: string) => String.fromCodePoint(Number(code)));
    expect(read).toBe(allowed);
  });
});

test('ordinary text in any script stays as it is, with its lines and tabs', () => {
  const text = 'web1\tünï 数据 עברית 😀\nnext';
  expect(printable(text)).toBe(text);
  expect(asReferences(text)).toBe(text);
});

test('a command line spells what a terminal would obey', () => {
  expect(renderCommand(['qemu', "it's\u001b[2J"], {})).toBe("qemu $'it\\'s\\u001b[2J'");
});
