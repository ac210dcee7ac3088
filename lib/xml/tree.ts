/**
 * Text -> xml2js's tree, and where each element stands.
 * Owns: xml2js and the sax parser inside it, and what they let pass: HTML's entities, second roots, depth, counts. Must not
 * know: what the elements mean, beyond the root's name.
 *
 * Elements are opened in document order, which is the order of a walk over the tree: the n-th span is the n-th element's.
 */
import { Parser } from 'xml2js';
import { quote } from './problems.ts';

const maxDepth = 64;
// A quarter of a million of them fit in 1 MiB, and would take seconds.
const maxElements = 20_000;
// sax looks at all earlier attributes of an element for each new one.
const maxAttributes = 128;

/** An element as xml2js gives it; keys are absent when there is nothing. */
export interface RawElement {
  readonly '#name': string;
  readonly '#attributes'?: Readonly<Record<string, string>>;
  readonly '#text'?: string;
  readonly '#children'?: readonly RawElement[];
}

/** Offsets of one element: its `<`, the end of its start tag, its end. */
interface Span {
  readonly start: number;
  readonly tagEnd: number;
  end: number;
}

export interface RawTree {
  readonly root: RawElement;
  /** One for each element, in document order. */
  readonly spans: readonly Span[];
}

/** What domctl uses of sax's parser; xml2js's types leave it out. */
interface Sax {
  ENTITIES: Record<string, string>;
  readonly position: number;
  readonly startTagPosition: number;
  onerror: (error: Error) => void;
  onattribute: (attribute: { readonly name: string }) => void;
  onopentag: (tag: { readonly name: string }) => void;
  onclosetag: (name: string) => void;
  write(text: string): { close(): void };
}

/** The remedy for what is no XML. */
export const wellFormed = 'check that every tag is closed and every attribute quoted';

/** A document that is no acceptable XML; becomes INVALID_XML with a position. */
export class Unreadable extends Error {
  readonly offset: number;
  readonly hint: string;

  constructor(offset: number, message: string, hint: string) {
    super(message);
    this.offset = offset;
    this.hint = hint;
  }
}

/** Parses `text`. Throws Unreadable. */
export function readTree(text: string): RawTree {
  const parser = new Parser({
    explicitRoot: false,
    explicitChildren: true,
    preserveChildrenOrder: true,
    // Keys no element can be named like: with xml2js's own, `_` would clash.
    attrkey: '#attributes',
    charkey: '#text',
    childkey: '#children',
  });
  const sax = (parser as unknown as { saxParser: Sax }).saxParser;
  harden(sax);
  const spans = watch(sax, text);
  const roots: RawElement[] = [];
  parser.on('end', (result: RawElement) => roots.push(result));
  try {
    sax.write(text).close();
  } catch (error) {
    throw asUnreadable(error);
  }
  const [root] = roots;
  if (!root) throw new Unreadable(0, 'not XML: there is no element in it', 'give a <domain> document');
  return { root, spans };
}

/** Makes sax as strict as XML is, and stop at the first error. */
function harden(sax: Sax): void {
  // Only XML's own five: sax would take HTML's names as well, and libvirt does not.
  sax.ENTITIES = Object.assign(Object.create(null) as object, { amp: '&', gt: '>', lt: '<', quot: '"', apos: "'" });
  sax.onerror = (error) => {
    const reason = error.message.split('\n', 1)[0];
    throw new Unreadable(Math.max(0, sax.position - 1), `not well-formed XML: ${reason}`, wellFormed);
  };
  sax.onattribute = countAttributes(sax);
}

/** The spans, filled while sax reads `text`; xml2js's own handlers are called after ours. */
function watch(sax: Sax, text: string): readonly Span[] {
  const spans: Span[] = [];
  const open: Span[] = [];
  const { onopentag, onclosetag } = sax;
  sax.onopentag = (tag) => {
    const span = { start: sax.startTagPosition - 1, tagEnd: sax.position, end: sax.position };
    refuseElement(tag.name, span.start, { text, depth: open.length, before: spans.length });
    spans.push(span);
    open.push(span);
    onopentag(tag);
  };
  sax.onclosetag = (name) => {
    const span = open.pop();
    if (span !== undefined) span.end = sax.position;
    onclosetag(name);
  };
  return spans;
}

function countAttributes(sax: Sax): Sax['onattribute'] {
  let tag = -1;
  let count = 0;
  return ({ name }) => {
    count = sax.startTagPosition === tag ? count + 1 : 1;
    tag = sax.startTagPosition;
    // sax keeps attributes in a plain object, where these two do not work.
    const isUnsafe = name === '__proto__' || name === 'hasOwnProperty';
    if (isUnsafe) throw new Unreadable(tag - 1, `an attribute named ${name} is refused`, 'remove it');
    if (count > maxAttributes) {
      throw new Unreadable(tag - 1, `an element has more than ${maxAttributes} attributes`, 'remove some');
    }
  };
}

function refuseElement(name: string, start: number, seen: { text: string; depth: number; before: number }): void {
  // sax accepts white space after `<`.
  if (!seen.text.startsWith(name, start + 1))
    throw new Unreadable(start, 'not well-formed XML: white space after <', wellFormed);
  if (seen.depth >= maxDepth) {
    throw new Unreadable(
      start,
      `elements are nested deeper than ${maxDepth}`,
      'a domain definition is a few levels deep',
    );
  }
  if (seen.before >= maxElements) {
    throw new Unreadable(start, `there are more than ${maxElements} elements`, 'a domain definition has a few hundred');
  }
  if (seen.before === 0 && name !== 'domain') {
    throw new Unreadable(start, `the root element is ${quote(name)}, not <domain>`, 'give a libvirt <domain> document');
  }
  if (seen.before > 0 && seen.depth === 0) {
    throw new Unreadable(start, 'not well-formed XML: a second root element', 'one document defines one domain');
  }
}

function asUnreadable(error: unknown): Unreadable {
  if (error instanceof Unreadable) return error;
  const message = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
  return new Unreadable(0, `not well-formed XML: ${message}`, wellFormed);
}
