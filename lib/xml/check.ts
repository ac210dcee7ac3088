/**
 * Tree of elements -> what of it domctl knows, read; what it does not know, set aside; and every problem found.
 * Owns: the walk along the table. Must not know: any single element (`properties.ts`), nor what follows from two (`rules.ts`).
 */
import type { UnsupportedFragment } from '../domain/definition.ts';
import type { XmlAttribute, XmlElement } from './document.ts';
import { attributeXml, elementXml } from './fragment.ts';
import type { Known } from './known.ts';
import { quote, type Problem } from './problems.ts';
import { tableName } from './namespaces.ts';
import { plainKey, propertyAt, requirementsOf } from './properties.ts';
import type { Property } from './property.ts';
import { absent, duplicate, letThrough, second, shorten, stray, unknown } from './complaints.ts';

/** What a walk over one element found; `aside`: the element was not understood and stays out of `known`. */
interface Found {
  readonly known: Known;
  readonly problems: readonly Problem[];
  readonly fragments: readonly UnsupportedFragment[];
  readonly aside: boolean;
}

/** Walks the document. With problems of kind `invalid`, `known` may lack what the table requires. */
export function checkDocument(root: XmlElement): Omit<Found, 'aside'> {
  return walk(root, { keys: ['/domain'], path: '/domain' });
}

interface Place {
  /** Where the table has it: its own key, then those of its variant. */
  readonly keys: readonly string[];
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

function walk(element: XmlElement, given: Place): Found {
  const found = new Collection();
  const property = propertyAt(given.keys);
  const place = { ...given, keys: withVariant(element, given.keys, property) };
  if (property?.opaque !== true) {
    for (const attribute of element.attributes) takeAttribute(found, element, attribute, place);
    takeText(found, element, place);
    takeChildren(found, element, place);
    requireAll(found, element, place);
  }
  const { values, children, fragments } = found;
  const reasons =
    property?.whole === true ? [...found.reasons, ...found.problems.filter(isUnsupported)] : found.reasons;
  const known = { key: plainKey(place.keys[0] ?? ''), element, values, children };
  const aside = reasons.length > 0;
  // What else is unsupported in an element nobody looks at does not matter.
  return { known, aside, fragments: aside ? [] : fragments, problems: aside ? reasons : found.problems };
}

function isUnsupported({ kind }: Problem): boolean {
  return kind === 'unsupported';
}

/** `keys`, and those of the variant this element is. */
function withVariant(element: XmlElement, keys: readonly string[], property: Property<unknown> | null): string[] {
  const { variant } = property ?? {};
  if (!variant) return [...keys];
  const { value } = element.attributes.find(({ name }) => name === variant.attribute) ?? {};
  const reader = propertyAt(keys.map((key) => `${key}/@${variant.attribute}`))?.reader;
  const kind = value === undefined ? variant.absent : value;
  const isKnown = kind !== null && reader !== null && reader !== undefined && 'value' in reader.read(kind);
  return isKnown ? [...keys, ...keys.map((key) => `${key}[${kind}]`)] : [...keys];
}

/** What is behind something that is behind something has the lines of the first. */
const chained = /(\/backingStore)(?:\[\w+\])?\/backingStore$/;

/** Keys of a child or attribute `name`. */
function inside({ keys }: Place, name: string): string[] {
  const inner = keys.map((key) => `${key}/${name}`);
  return name === 'backingStore' ? inner.map((key) => key.replace(chained, '$1')) : inner;
}

function takeAttribute(found: Collection, element: XmlElement, attribute: XmlAttribute, place: Place): void {
  const keys = inside(place, `@${attribute.name}`);
  const property = propertyAt(keys);
  const at = { position: attribute.position, path: `${element.path}/@${shorten(attribute.name)}` };
  const fragment = { kind: 'attribute', parent: place.path, xml: attributeXml(element, attribute) } as const;
  if (property === null || property.missing !== null) {
    found.problems.push(unknown('attribute', at, { keys, property }));
    found.fragments.push(fragment);
    return;
  }
  if (takeValue(found, property, { key: plainKey(keys[0] ?? ''), raw: attribute.value, at }) === 'attribute')
    found.fragments.push(fragment);
}

function takeText(found: Collection, element: XmlElement, place: Place): void {
  const property = propertyAt(place.keys.toReversed());
  const at = { position: element.position, path: element.path };
  if (property?.reader) takeValue(found, property, { key: plainKey(place.keys[0] ?? ''), raw: element.text, at });
  else if (element.text.trim() !== '') found.problems.push(stray(element));
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
  const remedy = read.remedy ?? `write for example ${reader?.example}`;
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
    const { name, keys, property } = lookUp(child, place);
    if (property === null || property.missing !== null) {
      setAside(found, child, place, [unknown('element', child, { keys, property })]);
    } else if (seen.has(name) && property.repeats !== 'several') {
      refuseAnother(found, child, place, property);
    } else {
      const index = next(counts, name);
      const isTaken = takeChild(found, child, { keys, path: place.path + step(name, index, property) }, place);
      if (isTaken) counts.set(name, index);
      // One that was set aside leaves room for another of which there can be one.
      if (isTaken || property.repeats === 'once') seen.add(name);
    }
  }
}

/** What the table knows of an element; property null: nothing. */
function lookUp(child: XmlElement, place: Place) {
  const known = tableName(child);
  const name = known ?? child.name;
  const keys = inside(place, name);
  return { name, keys, property: known === null ? null : propertyAt(keys) };
}

function next(counts: ReadonlyMap<string, number>, name: string): number {
  return (counts.get(name) ?? 0) + 1;
}

/** How the model's path goes on: with a number where there may be several. */
function step(name: string, index: number, { repeats }: Property<unknown>): string {
  return repeats === 'several' ? `/${name}[${index}]` : `/${name}`;
}

function refuseAnother(found: Collection, child: XmlElement, place: Place, { repeats }: Property<unknown>): void {
  if (repeats === 'once') found.problems.push(duplicate(child));
  else setAside(found, child, place, [second(child)]);
}

/** True when the child was understood, in the main. */
function takeChild(found: Collection, child: XmlElement, place: Place, parent: Place): boolean {
  const inner = walk(child, place);
  if (!inner.aside) {
    found.children.push(inner.known);
    for (const problem of inner.problems) found.problems.push(problem);
    for (const fragment of inner.fragments) found.fragments.push(fragment);
    return true;
  }
  // Half a device is another device: it is set aside whole.
  if (isPartOfDevice(inner.known.key)) found.reasons.push(...inner.problems);
  else setAside(found, child, parent, inner.problems);
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
    ...element.attributes.map(({ name }) => `@${name}`),
    ...element.children.filter(({ namespace }) => namespace === '').map(({ name }) => name),
  ]);
  for (const key of requirementsOf(place.keys)) {
    const name = key.slice(key.lastIndexOf('/') + 1);
    const property = propertyAt([key]);
    if (given.has(name) || property === null) continue;
    const problem = absent(element, name, property);
    (property.absence === 'element' ? found.reasons : found.problems).push(problem);
  }
}
