/**
 * A start tag's own text: which attributes it has and where, which namespaces it declares.
 * Owns: what sax does not say: positions, attributes given twice, `<` inside a value, prefixes without a declaration.
 * Expects text that sax has accepted.
 */

// Each declaration copies those around it.
const maxNamespaces = 64;

export interface TagAttribute {
  readonly name: string;
  /** As written, e.g. `cache='none'`. */
  readonly source: string;
  /** From the tag's `<`. */
  readonly offset: number;
}

export interface Tag {
  /** Why it is no well-formed tag; null: it is one. */
  readonly refused: string | null;
  /** As written, with its prefix. */
  readonly name: string;
  /** Namespace of the element; empty when it has none. */
  readonly namespace: string;
  /** All but namespace declarations. */
  readonly attributes: readonly TagAttribute[];
  /** Declarations in force inside: prefix (empty: the default) -> URI. */
  readonly scope: ReadonlyMap<string, string>;
}

/** The attributes in a piece of tag text, namespace declarations among them. */
export function readAttributes(text: string): TagAttribute[] {
  const found = text.matchAll(/([^\s=/>"'<]+)\s*=\s*(?:"[^"]*"|'[^']*')/g);
  return Array.from(found, (match) => ({ name: match[1] ?? '', source: match[0], offset: match.index }));
}

/** The start tag of the element `xml`. */
export function startTag(xml: string): string {
  return /^<(?:[^"'>]|"[^"]*"|'[^']*')*>/.exec(xml)?.[0] ?? '';
}

/** Reads a start tag, as `startTag` gives it, `inherited` being the namespaces around it. */
export function readTag(text: string, inherited: ReadonlyMap<string, string>): Tag {
  const all = readAttributes(text);
  const declared = all.filter(isDeclaration);
  const scope = declared.length === 0 ? inherited : new Map([...inherited, ...declared.map(declare)]);
  const name = /^<([^\s/>]+)/.exec(text)?.[1] ?? '';
  const attributes = declared.length === 0 ? all : all.filter((attribute) => !isDeclaration(attribute));
  const refused = whyRefused(all, scope) ?? unboundPrefix([name, ...attributes.map((each) => each.name)], scope);
  return { refused, name, namespace: scope.get(prefixOf(name)) ?? '', attributes, scope };
}

function whyRefused(all: readonly TagAttribute[], scope: Tag['scope']): string | null {
  if (all.length > 1 && new Set(all.map(({ name }) => name)).size < all.length)
    return 'not well-formed XML: an attribute is given twice';
  if (all.some(({ source }) => source.includes('<'))) return 'not well-formed XML: < inside an attribute';
  return scope.size > maxNamespaces ? `more than ${maxNamespaces} namespaces are declared` : null;
}

function unboundPrefix(names: readonly string[], scope: Tag['scope']): string | null {
  const unbound = names.map(prefixOf).find((prefix) => prefix !== '' && prefix !== 'xml' && !scope.has(prefix));
  return unbound === undefined
    ? null
    : `not well-formed XML: the prefix ${JSON.stringify(unbound.slice(0, 40))} has no namespace`;
}

function isDeclaration({ name }: TagAttribute): boolean {
  return name === 'xmlns' || name.startsWith('xmlns:');
}

function declare({ name, source }: TagAttribute): [string, string] {
  const value = source
    .slice(source.indexOf('=') + 1)
    .trim()
    .slice(1, -1);
  return [name === 'xmlns' ? '' : name.slice('xmlns:'.length), value];
}

function prefixOf(name: string): string {
  return name.includes(':') ? name.slice(0, name.indexOf(':')) : '';
}
