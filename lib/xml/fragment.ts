/**
 * Pieces of a document that can stand alone: cut out as written, with the namespaces they borrow from around them.
 * Must not know: why they are cut out.
 */
import type { XmlAttribute, XmlElement } from './document.ts';
import { readAttributes, startTag } from './tag.ts';

/** The element as written; declarations of prefixes it uses and does not declare itself are added to its start tag. */
export function elementXml({ source, name, inherited }: XmlElement): string {
  const own = new Set(readAttributes(startTag(source)).map((attribute) => attribute.name));
  const borrowed = declarations(source, inherited).filter((declaration) => !own.has(declaration.name));
  return `<${name}${borrowed.map(({ xml }) => ` ${xml}`).join('')}${source.slice(1 + name.length)}`;
}

/** The attribute as written, with the declaration of its prefix before it. */
export function attributeXml(element: XmlElement, { name, source }: XmlAttribute): string {
  if (!name.includes(':')) return source;
  const own = readAttributes(startTag(element.source)).filter((one) =>
    name.startsWith(`${one.name.slice('xmlns:'.length)}:`),
  );
  const declared = own.filter((one) => one.name.startsWith('xmlns:')).map((one) => one.source);
  const borrowed = declarations(`${name.slice(0, name.indexOf(':'))}:`, element.inherited).map(({ xml }) => xml);
  return [...(declared.length > 0 ? declared : borrowed), source].join(' ');
}

/** The declarations of `scope` whose prefix may be used in `source`. */
function declarations(source: string, scope: ReadonlyMap<string, string>): { name: string; xml: string }[] {
  return Array.from(scope)
    .filter(([prefix]) => prefix !== '' && source.includes(`${prefix}:`))
    .map(([prefix, uri]) => ({ name: `xmlns:${prefix}`, xml: `xmlns:${prefix}='${uri.replaceAll("'", '&apos;')}'` }));
}
