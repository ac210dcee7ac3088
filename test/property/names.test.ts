/** Names as file names, whatever they are. */
import { join } from 'node:path';
import { fc, test } from '@fast-check/vitest';
import { describe, expect } from 'vitest';
import { cgroupName, escapeName, unescapeName } from '../../lib/domain/names.ts';

const anyName = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
const trickyName = fc.string({ unit: fc.constantFrom(...'./-\\:_ab0 \n\0%@é'), minLength: 1, maxLength: 8 });

describe('an escaped name', () => {
  test.prop([fc.oneof(trickyName, fc.string({ unit: 'grapheme', maxLength: 60 }))])(
    'is read back as it was',
    (name) => {
      expect(unescapeName(escapeName(name))).toBe(name);
    },
  );

  test.prop([fc.oneof(anyName, trickyName)])('cannot leave its directory', (name) => {
    expect(escapeName(name)).toMatch(/^(?!\.)(?:[A-Za-z0-9:_.]|\\x[0-9a-f]{2})+$/);
    expect(join('/run/domctl', escapeName(name))).toBe(`/run/domctl/${escapeName(name)}`);
    expect(join('/domctl', cgroupName(name), '7')).toBe(`/domctl/vm-${escapeName(name)}/7`);
  });

  test.prop([fc.oneof(anyName, trickyName)])('can be read back, so that no two names are one', (name) => {
    const bytes = escapeName(name).replaceAll(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
    expect(Buffer.from(bytes, 'latin1')).toEqual(Buffer.from(name, 'utf8'));
  });
});
