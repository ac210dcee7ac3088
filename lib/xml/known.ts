/**
 * What was read of a document, and how it is asked for: by the keys of the table, without the marks of variants.
 */
import type { XmlElement } from './document.ts';
import { plainKey, type PropertyPath, type ValueAt } from './properties.ts';

/** A known element with what was read from it. */
export interface Known {
  readonly key: string;
  readonly element: XmlElement;
  /** Its text under its own key, its attributes under theirs. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly children: readonly Known[];
}

/** Where something is asked for, without the marks of variants. */
interface Way {
  readonly key: string;
  /** Keys of the elements on the way, from the document's own. */
  readonly elements: readonly string[];
}

const ways = new Map<PropertyPath, Way>();

/** Taken apart once: there are no more of them than the table has lines. */
function wayTo(path: PropertyPath): Way {
  const known = ways.get(path);
  if (known !== undefined) return known;
  const key = plainKey(path);
  const names = key.split('/').slice(1);
  const elements = names.filter((name) => !name.startsWith('@'));
  const way = { key, elements: elements.map((_name, index) => `/${elements.slice(0, index + 1).join('/')}`) };
  ways.set(path, way);
  return way;
}

/** First element at `key`, at or below `known`; of several siblings the first. */
export function find(known: Known, key: PropertyPath): Known | undefined {
  return descend(known, wayTo(key).elements);
}

function descend(known: Known, elements: readonly string[]): Known | undefined {
  let at: Known | undefined = known;
  for (let step = elements.indexOf(known.key) + 1; at !== undefined && step < elements.length; step += 1) {
    const key = elements[step];
    at = at.children.find((child) => child.key === key);
  }
  return at;
}

/** All children of `known` at `key`. */
export function findAll(known: Known, parent: PropertyPath, key: PropertyPath): readonly Known[] {
  return find(known, parent)?.children.filter((child) => child.key === key) ?? [];
}

/** The text or attribute at `key`, at or below `known`; undefined when absent. */
export function valueAt<P extends PropertyPath>(known: Known, key: P): ValueAt<P> | undefined {
  const { key: plain, elements } = wayTo(key);
  // The table wrote the value under this key, with the reader its type follows from.
  return descend(known, elements)?.values.get(plain) as ValueAt<P> | undefined;
}

/** A value the table requires, so the check has refused a document without it. */
export function need<P extends PropertyPath>(known: Known, key: P): ValueAt<P> {
  const value = valueAt(known, key);
  if (value === undefined) throw new Error(`${key} is required and was not read`);
  return value;
}

/** Whether the element at `key` is there. */
export function has(known: Known, key: PropertyPath): boolean {
  return find(known, key) !== undefined;
}

/** The devices at `key`, in the order of the document. */
export function devicesAt(domain: Known, key: PropertyPath): readonly Known[] {
  return findAll(domain, '/domain/devices', key);
}
