/**
 * Puts what --allow-unsupported let through back into the tree to be printed, at the end of the element it was found in.
 */
import type { UnsupportedFragment } from '../domain/definition.ts';
import { tableName } from './namespaces.ts';
import { elementAt } from './properties.ts';
import { tag, type Tag } from './serialize.ts';
import { readAttributes, readTag, startTag } from './tag.ts';

/** `root` with every fragment in its place. A fragment of a device the domain no longer has is left out with it. */
export function graft(root: Tag, fragments: readonly UnsupportedFragment[]): Tag {
  const places = new Map<string, Tag>();
  index(root, '/domain', places);
  for (const fragment of fragments) {
    const parent = reach(fragment.parent, places);
    if (parent === null) continue;
    if (fragment.kind === 'attribute') addAttributes(parent, fragment.xml);
    else addElement(parent, fragment);
  }
  return root;
}

function index(element: Tag, path: string, places: Map<string, Tag>): void {
  places.set(path, element);
  const counts = new Map<string, number>();
  for (const child of element.children) {
    if (typeof child === 'string') continue;
    const count = (counts.get(child.name) ?? 0) + 1;
    counts.set(child.name, count);
    const plain = `${path}/${child.name}`;
    index(child, elementAt(keyOf(plain))?.repeats === 'several' ? `${plain}[${count}]` : plain, places);
  }
}

/** The tag at `path`. Those that were left out because they say nothing but defaults are made; a numbered one is not. */
function reach(path: string, places: Map<string, Tag>): Tag | null {
  const there = places.get(path);
  if (there !== undefined || path.endsWith(']') || !path.includes('/', 1)) return there ?? null;
  const parent = reach(path.slice(0, path.lastIndexOf('/')), places);
  if (parent === null) return null;
  const made = tag(path.slice(path.lastIndexOf('/') + 1));
  parent.children.push(made);
  places.set(path, made);
  return made;
}

function addAttributes(parent: Tag, xml: string): void {
  const has = new Set(parent.rawAttributes.flatMap((raw) => readAttributes(raw)).map(({ name }) => name));
  for (const { name, source } of readAttributes(xml)) {
    if (has.has(name)) continue;
    Reflect.deleteProperty(parent.attributes, name);
    parent.rawAttributes.push(source);
  }
}

/** An element there can be only one of takes the place of the one printed from the model: its value was not understood. */
function addElement(parent: Tag, { parent: path, xml }: UnsupportedFragment): void {
  const name = tableName(readTag(startTag(xml), new Map()));
  const property = name === null ? null : elementAt(keyOf(`${path}/${name}`));
  if (property !== null && property.missing === null && property.repeats === 'once') {
    const own = parent.children.findIndex((child) => typeof child !== 'string' && child.name === name);
    if (own >= 0) parent.children.splice(own, 1);
  }
  parent.children.push(xml);
}

function keyOf(path: string): string {
  return path.replace(/\[\d+\]/g, '');
}
