/**
 * Tree of elements -> what of it domctl knows, read; what it does not know, set aside; and every problem found.
 * Owns: the walk along the table. Must not know: any single element (`properties.ts`), nor what follows from two (`rules.ts`).
 */
import type { UnsupportedFragment } from '../domain/definition.ts';
import type { XmlAttribute, XmlElement } from './document.ts';
import { attributeXml, elementXml } from './fragment.ts';
import { quote, type Problem } from './problems.ts';
import { propertyAt, requirementsOf, type Property, type PropertyPath, type ValueAt } from './properties.ts';

/** A known element with what was read from it. */
export interface Known {
  readonly key: string;
  readonly element: XmlElement;
  /** Its text under its own key, its attributes under theirs. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly children: readonly Known[];
}

/** What a walk over one element found; `aside`: the element was not understood and stays out of `known`. */
interface Found {
  readonly known: Known;
  readonly problems: readonly Problem[];
  readonly fragments: readonly UnsupportedFragment[];
  readonly aside: boolean;
}

/** Walks the document. With problems of kind `invalid`, `known` may lack what the table requires. */
export function checkDocument(root: XmlElement): Omit<Found, 'aside'> {
  return walk(root, { key: '/domain', path: '/domain' });
}

/** First element at `key`, at or below `known`; of several siblings the first. */
export function find(known: Known, key: string): Known | undefined {
  if (known.key === key) return known;
  const child = known.children.find((one) => key === one.key || key.startsWith(`${one.key}/`));
  return child && find(child, key);
}

/** All children of `known` at `key`. */
export function findAll(known: Known, parent: PropertyPath, key: PropertyPath): readonly Known[] {
  return find(known, parent)?.children.filter((child) => child.key === key) ?? [];
}

/** The text or attribute at `key`, at or below `known`; undefined when absent. */
export function valueAt<P extends PropertyPath>(known: Known, key: P): ValueAt<P> | undefined {
  const owner = key.includes('/@') ? key.slice(0, key.indexOf('/@')) : key;
  // The table wrote the value under this key, with the reader its type follows from.
  return find(known, owner)?.values.get(key) as ValueAt<P> | undefined;
}

interface Place {
  /** Where the table has it. */
  readonly key: string;
  /** Where the model will have it: numbered among those understood. */
  readonly path: string;
}

class Collection {
  readonly problems: Problem[] = [];
  readonly fragments: UnsupportedFragment[] = [];
  readonly values = new Map<string, unknown>();
  readonly children: Known[] = [];
  /** Why this element as a whole is not understood. */
  readonly reasons: Problem[] = [];
}

function walk(element: XmlElement, place: Place): Found {
  const found = new Collection();
  const property = propertyAt(place.key);
  if (property?.opaque !== true) {
    for (const attribute of element.attributes) takeAttribute(found, element, attribute, place);
    takeText(found, element, place, property);
    takeChildren(found, element, place);
    requireAll(found, element, place);
  }
  const { values, children, fragments, reasons } = found;
  const known = { key: place.key, element, values, children };
  const aside = reasons.length > 0;
  // What else is wrong in an element nobody looks at does not matter.
  return { known, aside, fragments: aside ? [] : fragments, problems: aside ? reasons : found.problems };
}

function takeAttribute(found: Collection, element: XmlElement, attribute: XmlAttribute, place: Place): void {
  const key = `${place.key}/@${attribute.name}`;
  const property = propertyAt(key);
  const at = { position: attribute.position, path: `${element.path}/@${shorten(attribute.name)}` };
  const fragment = { kind: 'attribute', parent: place.path, xml: attributeXml(element, attribute) } as const;
  if (property === null) {
    found.problems.push(unknown('attribute', at));
    found.fragments.push(fragment);
    return;
  }
  if (takeValue(found, property, { key, raw: attribute.value, at }) === 'attribute') found.fragments.push(fragment);
}

function takeText(found: Collection, element: XmlElement, place: Place, property: Property<unknown> | null): void {
  const at = { position: element.position, path: element.path };
  if (property?.reader) takeValue(found, property, { key: place.key, raw: element.text, at });
  else if (element.text.trim() !== '') {
    const message = `the text ${quote(element.text.trim())} does not belong here`;
    found.problems.push({ kind: 'invalid', ...at, message, hint: 'remove it, or make it a comment' });
  }
}

interface Given {
  readonly key: string;
  readonly raw: string;
  readonly at: Pick<Problem, 'position' | 'path'>;
}

/** Reads one value; says what became of it. */
function takeValue(
  found: Collection,
  property: Property<unknown>,
  given: Given,
): 'read' | Property<unknown>['refusal'] {
  const { reader, refusal } = property;
  const read = reader?.read(given.raw) ?? { value: null };
  if ('value' in read) {
    found.values.set(given.key, read.value);
    return 'read';
  }
  const message = `${quote(given.raw)} ${read.refused}`;
  const remedy = `write for example ${reader?.example}`;
  if (refusal === 'invalid') found.problems.push({ kind: 'invalid', ...given.at, message, hint: remedy });
  else {
    const problem = { kind: 'unsupported', ...given.at, message, hint: `${remedy}; ${letThrough}` } as const;
    (refusal === 'element' ? found.reasons : found.problems).push(problem);
  }
  return refusal;
}

function takeChildren(found: Collection, element: XmlElement, place: Place): void {
  const counts = new Map<string, number>();
  const seen = new Set<string>();
  for (const child of element.children) {
    const key = `${place.key}/${child.name}`;
    const property = child.namespace === '' ? propertyAt(key) : null;
    const index = (counts.get(key) ?? 0) + 1;
    if (property === null) {
      setAside(found, child, place, [unknown('element', child)]);
      continue;
    }
    if (seen.has(key) && !property.several) found.problems.push(duplicate(child));
    else {
      const path = `${place.path}/${child.name}${property.several ? `[${index}]` : ''}`;
      if (takeChild(found, child, { key, path }, place)) counts.set(key, index);
    }
    seen.add(key);
  }
}

/** True when the child was understood, in the main. */
function takeChild(found: Collection, child: XmlElement, place: Place, parent: Place): boolean {
  const inside = walk(child, place);
  if (!inside.aside) {
    found.children.push(inside.known);
    for (const problem of inside.problems) found.problems.push(problem);
    for (const fragment of inside.fragments) found.fragments.push(fragment);
    return true;
  }
  // Half a device is another device: it is set aside whole.
  if (isPartOfDevice(place.key)) found.reasons.push(...inside.problems);
  else setAside(found, child, parent, inside.problems);
  return false;
}

function setAside(found: Collection, child: XmlElement, parent: Place, problems: readonly Problem[]): void {
  found.problems.push(...problems);
  found.fragments.push({ kind: 'element', parent: parent.path, xml: elementXml(child) });
}

function isPartOfDevice(key: string): boolean {
  return /^\/domain\/devices\/[^/]+\/./.test(key);
}

function requireAll(found: Collection, element: XmlElement, place: Place): void {
  const given = new Set([
    ...element.attributes.map(({ name }) => `${place.key}/@${name}`),
    ...element.children.filter(({ namespace }) => namespace === '').map(({ name }) => `${place.key}/${name}`),
  ]);
  for (const key of requirementsOf(place.key).filter((one) => !given.has(one))) {
    const name = key.slice(place.key.length + 1);
    const what = name.startsWith('@') ? `the attribute ${name.slice(1)}` : `<${name}>`;
    const { position, path } = element;
    const example = propertyAt(key)?.reader?.example;
    const hint = example === undefined ? `add ${what}` : `add ${what}, for example ${example}`;
    found.problems.push({ kind: 'invalid', position, path, message: `${what} is missing`, hint });
  }
}

const letThrough = '--allow-unsupported goes on without it, with a warning';

function unknown(what: string, at: Pick<Problem, 'position' | 'path'>): Problem {
  const message = `domctl does not know this ${what}`;
  return { kind: 'unsupported', position: at.position, path: at.path, message, hint: `remove it; ${letThrough}` };
}

function duplicate({ position, path, name }: XmlElement): Problem {
  return { kind: 'invalid', position, path, message: `<${name}> is given twice`, hint: 'keep one of them' };
}

function shorten(name: string): string {
  return name.length > 40 ? `${name.slice(0, 40)}...` : name;
}
