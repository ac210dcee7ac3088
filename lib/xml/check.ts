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
import type { Property } from './property.ts';
import { lineOf, root as top, variantOf, within, type Node } from './table-tree.ts';
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
  return walk(root, { nodes: [top], path: '/domain' });
}

interface Place {
  /** Where the table has it: its own node, then those of its variant. */
  readonly nodes: readonly Node[];
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
  const property = lineOf(given.nodes);
  const place = { path: given.path, nodes: withVariant(element, given.nodes, property) };
  if (property?.opaque !== true) {
    for (const attribute of element.attributes) takeAttribute(found, element, attribute, place);
    takeText(found, element, place);
    takeChildren(found, element, place);
    requireAll(found, { element, nodes: place.nodes });
  }
  const { values, children, fragments } = found;
  const reasons =
    property?.whole === true ? [...found.reasons, ...found.problems.filter(isUnsupported)] : found.reasons;
  const known = { key: keyOf(place), element, values, children };
  const aside = reasons.length > 0;
  // What else is unsupported in an element nobody looks at does not matter.
  return { known, aside, fragments: aside ? [] : fragments, problems: aside ? reasons : found.problems };
}

function isUnsupported({ kind }: Problem): boolean {
  return kind === 'unsupported';
}

/** By which what is read of an element is asked for. */
function keyOf({ nodes }: Place): string {
  return nodes[0]?.plain ?? '';
}

/** `nodes`, and those of the variant this element is. */
function withVariant(element: XmlElement, nodes: readonly Node[], property: Property<unknown> | null): readonly Node[] {
  const variant = property?.variant;
  if (!variant) return nodes;
  const { value } = element.attributes.find(({ name }) => name === variant.attribute) ?? {};
  const reader = lineOf(inside(nodes, `@${variant.attribute}`))?.reader;
  const kind = value === undefined ? variant.absent : value;
  const isKnown = kind !== null && reader !== null && reader !== undefined && 'value' in reader.read(kind);
  return isKnown ? [...nodes, ...nodes.map((node) => variantOf(node, kind))] : nodes;
}

/** Nodes of a child `name`, or of the attribute `@name`. */
function inside(nodes: readonly Node[], name: string): readonly Node[] {
  return nodes.map((node) => within(node, name));
}

function takeAttribute(found: Collection, element: XmlElement, attribute: XmlAttribute, place: Place): void {
  const nodes = inside(place.nodes, `@${attribute.name}`);
  const property = lineOf(nodes);
  const at = { position: attribute.position, path: `${element.path}/@${shorten(attribute.name)}` };
  if (property !== null && property.missing === null) {
    const key = nodes[0]?.plain ?? '';
    if (takeValue(found, property, { key, raw: attribute.value, at }) !== 'attribute') return;
  } else found.problems.push(unknown('attribute', at, { keys: keysOf(nodes), property }));
  found.fragments.push({ kind: 'attribute', parent: place.path, xml: attributeXml(element, attribute) });
}

function keysOf(nodes: readonly Node[]): string[] {
  return nodes.map(({ key }) => key);
}

function takeText(found: Collection, element: XmlElement, place: Place): void {
  const property = place.nodes.findLast((node) => node.property !== null)?.property;
  if (property?.reader) takeValue(found, property, { key: keyOf(place), raw: element.text, at: element });
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
  const { position, path } = given.at;
  if (refusal === 'invalid') found.problems.push({ kind: 'invalid', position, path, message, hint: remedy });
  else {
    const problem = { kind: 'unsupported', position, path, message, hint: `${remedy}; ${letThrough}` } as const;
    (refusal === 'element' ? found.reasons : found.problems).push(problem);
  }
  return refusal;
}

function takeChildren(found: Collection, element: XmlElement, place: Place): void {
  const counts = new Map<string, number>();
  const seen = new Set<string>();
  for (const child of element.children) {
    const { name, nodes, property } = lookUp(child, place);
    if (property === null || property.missing !== null) {
      setAside(found, child, place, [unknown('element', child, { keys: keysOf(nodes), property })]);
    } else if (seen.has(name) && property.repeats !== 'several') {
      refuseAnother(found, child, place, property);
    } else {
      const index = next(counts, name);
      const isTaken = takeChild(found, child, { nodes, path: place.path + step(name, index, property) }, place);
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
  const nodes = inside(place.nodes, name);
  return { name, nodes, property: known === null ? null : lineOf(nodes) };
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

function requireAll(found: Collection, { element, nodes }: { element: XmlElement; nodes: readonly Node[] }): void {
  for (const { required } of nodes) {
    for (const [name, property] of required) {
      if (isGiven(element, name)) continue;
      const problem = absent(element, name, property);
      (property.absence === 'element' ? found.reasons : found.problems).push(problem);
    }
  }
}

function isGiven({ attributes, children }: XmlElement, required: string): boolean {
  return required.startsWith('@')
    ? attributes.some(({ name }) => name === required.slice(1))
    : children.some(({ name, namespace }) => namespace === '' && name === required);
}
