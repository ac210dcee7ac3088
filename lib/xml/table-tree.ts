/**
 * The table as a tree: from an element to what may stand in it without putting paths together. Built once from its lines.
 */
import { plainKey, table } from './properties.ts';
import type { Property } from './property.ts';

/** One place of the table, or one that it has not. */
export interface Node {
  /** With the marks of variants. */
  readonly key: string;
  /** Without them; the same string for all nodes of a key. */
  readonly plain: string;
  /** null: no line of its own. */
  readonly property: Property<unknown> | null;
  /** By the name of an element, or `@` and that of an attribute. */
  readonly inside: ReadonlyMap<string, Node>;
  /** By the value of the attribute that decides. */
  readonly variants: ReadonlyMap<string, Node>;
  /** What must be there, by its name. */
  readonly required: readonly (readonly [name: string, property: Property<unknown>])[];
}

interface Growing extends Node {
  readonly inside: Map<string, Growing>;
  readonly variants: Map<string, Growing>;
  readonly required: [string, Property<unknown>][];
}

const nodes = new Map<string, Growing>();
const plainKeys = new Map<string, string>();

function shared(plain: string): string {
  const there = plainKeys.get(plain);
  if (there === undefined) plainKeys.set(plain, plain);
  return there ?? plain;
}

/** The node at `key`, made with those above it. */
function grow(key: string): Growing {
  const there = nodes.get(key);
  if (there !== undefined) return there;
  const property = Object.hasOwn(table, key) ? (table[key] ?? null) : null;
  const node = { key, plain: shared(plainKey(key)), property, inside: new Map(), variants: new Map(), required: [] };
  nodes.set(key, node);
  const mark = /^(.*)\[([^\]/]*)\]$/.exec(key);
  if (mark) grow(mark[1] ?? '').variants.set(mark[2] ?? '', node);
  else if (key.lastIndexOf('/') > 0) attach(grow(key.slice(0, key.lastIndexOf('/'))), node);
  return node;
}

function attach(parent: Growing, node: Growing): void {
  const name = nameOf(node);
  parent.inside.set(name, node);
  if (node.property !== null && node.property.absence !== 'fine') parent.required.push([name, node.property]);
}

function nameOf({ key }: Node): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

for (const key of Object.keys(table)) grow(key);
// What is behind something that is behind something has the lines of the first.
for (const node of nodes.values()) {
  if (!node.key.endsWith('/backingStore')) continue;
  for (const each of [node, ...node.variants.values()]) each.inside.set('backingStore', node);
}

/** Where every document begins. */
export const root: Node = grow('/domain');

const none: ReadonlyMap<string, Node> = new Map();

function nothing(key: string, plain: string): Node {
  return { key, plain, property: null, inside: none, variants: none, required: [] };
}

/** The node of `name` in an element at `node`: of the table, or of nothing. */
export function within(node: Node, name: string): Node {
  return node.inside.get(name) ?? nothing(`${node.key}/${name}`, `${node.plain}/${name}`);
}

/** The node of a variant. */
export function variantOf(node: Node, kind: string): Node {
  return node.variants.get(kind) ?? nothing(`${node.key}[${kind}]`, node.plain);
}

/** The first line among them; null: domctl does not know it. */
export function lineOf(places: readonly Node[]): Property<unknown> | null {
  for (const { property } of places) if (property !== null) return property;
  return null;
}
