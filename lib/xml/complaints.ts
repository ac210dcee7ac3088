/**
 * The words for what the walk finds (`check.ts`): things the table does not have, or has differently.
 */
import type { XmlElement } from './document.ts';
import { quote, type Problem } from './problems.ts';
import { elementAt, table } from './properties.ts';
import type { Property } from './property.ts';

type At = Pick<Problem, 'position' | 'path'>;

/** End of the hint for what can be let through. */
export const letThrough = '--allow-unsupported goes on without it, with a warning';

/** An element or attribute the table has not (`property` null), or has by name only. */
export function unknown(
  what: 'element' | 'attribute',
  at: At,
  place: { readonly keys: readonly string[]; readonly property: Property<unknown> | null },
): Problem {
  const remedy = place.property?.missing ?? 'remove it';
  const message =
    place.property === null
      ? `domctl does not know this ${what}${elsewhere(place.keys)}`
      : 'domctl does not support this yet';
  const { position, path } = at;
  return { kind: 'unsupported', position, path, message, hint: `${remedy}; ${letThrough}` };
}

/** Of which variant it is not, when it belongs to another: ` for disk type="file"`. */
function elsewhere(keys: readonly string[]): string {
  const [plain = ''] = keys;
  const marked = /^(?<element>.*\/(?<name>[^/[]+))\[(?<value>[^\]]+)\]/.exec(keys.at(-1) ?? '')?.groups;
  const variant = marked && table[marked['element'] ?? '']?.variant;
  if (!variant || elementAt(plain) === null) return '';
  return ` for ${marked['name']} ${variant.attribute}="${marked['value']}"`;
}

/** Text in an element that holds none. */
export function stray({ position, path, text }: XmlElement): Problem {
  const message = `the text ${quote(text.trim())} does not belong here`;
  return { kind: 'invalid', position, path, message, hint: 'remove it, or make it a comment' };
}

/** Something that must be there and is not; `name` is `@attribute` or an element's. */
export function absent({ position, path }: XmlElement, name: string, { reader, absence }: Property<unknown>): Problem {
  const what = name.startsWith('@') ? `the attribute ${name.slice(1)}` : `<${name}>`;
  const hint = reader === null ? `add ${what}` : `add ${what}, for example ${reader.example}`;
  if (absence === 'invalid') return { kind: 'invalid', position, path, message: `${what} is missing`, hint };
  const message = `${what} is missing, and libvirt's default for it is not supported yet`;
  return { kind: 'unsupported', position, path, message, hint: `${hint}; ${letThrough}` };
}

/** A second one of what there can be once. */
export function duplicate({ position, path, name }: XmlElement): Problem {
  return { kind: 'invalid', position, path, message: `<${name}> is given twice`, hint: 'keep one of them' };
}

/** A second one of what libvirt has several of. */
export function second({ position, path, name }: XmlElement): Problem {
  const message = `domctl supports one <${name}> here`;
  return { kind: 'unsupported', position, path, message, hint: `keep one of them; ${letThrough}` };
}

/** A name as a path shows it. */
export function shorten(name: string): string {
  return name.length > 40 ? `${name.slice(0, 40)}...` : name;
}
