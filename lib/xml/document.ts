/**
 * Text -> tree of elements that know where they stand.
 * Owns: which text is looked at at all (size, characters, no DTD), places and namespaces. Must not know: what a domain is.
 */
import { Lines } from './lines.ts';
import { invalidXml, quote, type Position } from './problems.ts';
import { readTag } from './tag.ts';
import { readTree, Unreadable, wellFormed, type RawElement, type RawTree } from './tree.ts';

/** Longest document, in bytes of UTF-8. */
export const maxDocumentBytes = 1024 * 1024;

export interface XmlAttribute {
  readonly name: string;
  readonly value: string;
  readonly position: Position;
  /** As written, e.g. `cache='none'`. */
  readonly source: string;
}

export interface XmlElement {
  /** As written, with its prefix. */
  readonly name: string;
  /** Namespace of the element; empty when it has none. */
  readonly namespace: string;
  /** XPath for messages; numbered where siblings share the name. */
  readonly path: string;
  /** All but namespace declarations. */
  readonly attributes: readonly XmlAttribute[];
  /** Its own text, without that of its children; empty when only white space. */
  readonly text: string;
  readonly children: readonly XmlElement[];
  readonly position: Position;
  /** From `<` to `>` as written. */
  readonly source: string;
  /** Namespace declarations of the elements around it: prefix -> URI. */
  readonly inherited: ReadonlyMap<string, string>;
}

/** The root element of `text`. Throws INVALID_XML; `file` is only a label. Takes time linear in at most 1 MiB. */
export function readDocument(text: string, file: string): XmlElement {
  refuseTooLong(text, file);
  // XML 1.0, 2.11: line ends are read as one line feed; sax does not do it.
  const normal = text.replace(/\r\n?/g, '\n');
  const lines = new Lines(normal);
  try {
    refuseCharacters(normal);
    refuseDeclarations(normal);
    return build(normal, lines, readTree(normal));
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    const { offset, message, hint } = error;
    throw invalidXml(file, [{ kind: 'invalid', position: lines.at(offset), path: '', message, hint }]);
  }
}

function refuseTooLong(text: string, file: string): void {
  // A UTF-16 unit is at least one byte: what is long in units needs no counting.
  if (text.length <= maxDocumentBytes && Buffer.byteLength(text) <= maxDocumentBytes) return;
  const message = 'the document is longer than 1 MiB';
  const hint = 'a domain definition is a few KiB; was this the right file?';
  throw invalidXml(file, [{ kind: 'invalid', position: { line: 1, column: 1 }, path: '', message, hint }]);
}

function refuseCharacters(text: string): void {
  // All that is not XML 1.0's Char production; with the u flag that includes lone surrogates.
  const offset = text.search(/[^\t\n\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u);
  if (offset < 0) return;
  const code = (text.codePointAt(offset) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  throw new Unreadable(
    offset,
    `the character U+${code} is not allowed in XML`,
    'remove it; XML is text without control characters',
  );
}

function refuseDeclarations(text: string): void {
  // Comments and CDATA are skipped whole, so a match of `<!` alone is a declaration, or one of those without an end.
  for (const found of text.matchAll(/<!--.*?-->|<!\[CDATA\[.*?\]\]>|<!/gs)) {
    if (found[0] !== '<!') continue;
    const isOpen = /^<!(?:--|\[CDATA\[)/.test(text.slice(found.index, found.index + 9));
    if (isOpen)
      throw new Unreadable(found.index, 'not well-formed XML: a comment or CDATA section has no end', wellFormed);
    const hint = 'a definition needs no <!DOCTYPE> and no entities of its own; remove them';
    throw new Unreadable(found.index, 'document type and entity declarations are refused', hint);
  }
}

function build(text: string, lines: Lines, tree: RawTree): XmlElement {
  const spans = tree.spans.values();
  const root = element(tree.root, '/domain', new Map());
  if (root.namespace === '') return root;
  throw new Unreadable(0, `<domain> is in the namespace ${quote(root.namespace)}`, 'remove its xmlns attribute');

  function element(raw: RawElement, path: string, inherited: ReadonlyMap<string, string>): XmlElement {
    const span = spans.next().value;
    if (span === undefined) throw new Error('an element without a place');
    const tag = readTag(text.slice(span.start, span.tagEnd), inherited);
    if (tag.refused !== null) throw new Unreadable(span.start, tag.refused, wellFormed);
    const name = raw['#name'];
    return {
      name,
      path,
      namespace: tag.namespace,
      attributes: tag.attributes.map(({ name: own, source, offset }) => {
        const value = raw['#attributes']?.[own] ?? '';
        return { name: own, source, value, position: lines.at(span.start + offset) };
      }),
      text: raw['#text'] ?? '',
      position: lines.at(span.start),
      source: text.slice(span.start, span.end),
      inherited,
      children: numbered(raw['#children'] ?? [], path).map((child) => element(child.raw, child.path, tag.scope)),
    };
  }
}

function numbered(siblings: readonly RawElement[], parent: string): { raw: RawElement; path: string }[] {
  const total = new Map<string, number>();
  for (const { '#name': name } of siblings) total.set(name, (total.get(name) ?? 0) + 1);
  const seen = new Map<string, number>();
  return siblings.map((raw) => {
    const name = raw['#name'];
    const index = (seen.get(name) ?? 0) + 1;
    seen.set(name, index);
    const shown = name.length > 40 ? `${name.slice(0, 40)}...` : name;
    return { raw, path: `${parent}/${shown}${(total.get(name) ?? 0) > 1 ? `[${index}]` : ''}` };
  });
}
