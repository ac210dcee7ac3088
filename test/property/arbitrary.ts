/** Arbitraries that tests of domain XML share. */
import { fc } from '@fast-check/vitest';

const notXml = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;

/** Any text, often of what is special in XML. */
export const characters = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: fc.constantFrom(...'<>&\'"\t\n\r ]]>=/:a1é'), maxLength: 20 }),
);

/** A text that XML can hold. */
export const content = characters.filter((text) => !notXml.test(text) && text.trim() !== '');
/** Likewise without line breaks. */
export const oneLine = content.filter((text) => !/[\n\r]/.test(text));
/** An absolute path. */
export const path = content.filter((text) => !/\p{Cc}/u.test(text)).map((text) => `/${text}`);

/** Of a file that stands in one of QEMU's lists. */
export const listedPath = path.filter((text) => !text.includes(':'));
/** A word that any name may be. */
export const word = fc.stringMatching(/^[a-z][a-z0-9]{0,10}$/);

/** The value, or null. */
export function maybe<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> {
  return fc.option(arbitrary, { nil: null });
}

/** One of some words. */
export function oneOf<const T extends string>(...words: readonly T[]): fc.Arbitrary<T> {
  return fc.constantFrom(...words);
}

/** A number in a range. */
export function number(min: number, max: number): fc.Arbitrary<number> {
  return fc.integer({ min, max });
}

/** Bytes, whole KiB, up to what a safe integer holds. */
export const bytes = number(1, 2 ** 43 - 1).map((kib) => kib * 1024);

export const mac = fc
  .array(number(0, 255), { minLength: 6, maxLength: 6 })
  .map((parts) =>
    parts.map((byte, index) => (index === 0 ? byte & 0xfe : byte).toString(16).padStart(2, '0')).join(':'),
  );
