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

/** First element at `key`, at or below `known`; of several siblings the first. */
export function find(known: Known, key: PropertyPath): Known | undefined {
  return descend(known, plainKey(key));
}

function descend(known: Known, key: string): Known | undefined {
  if (known.key === key) return known;
  const exact = known.children.find((one) => one.key === key);
  if (exact !== undefined) return exact;
  // Not into one of its own kind: what is behind a disk's image may have something behind it again.
  const child = known.children.find((one) => one.key !== known.key && key.startsWith(`${one.key}/`));
  return child && descend(child, key);
}

/** All children of `known` at `key`. */
export function findAll(known: Known, parent: PropertyPath, key: PropertyPath): readonly Known[] {
  return find(known, parent)?.children.filter((child) => child.key === key) ?? [];
}

/** The text or attribute at `key`, at or below `known`; undefined when absent. */
export function valueAt<P extends PropertyPath>(known: Known, key: P): ValueAt<P> | undefined {
  const plain = plainKey(key);
  const owner = plain.includes('/@') ? plain.slice(0, plain.indexOf('/@')) : plain;
  // The table wrote the value under this key, with the reader its type follows from.
  return descend(known, owner)?.values.get(plain) as ValueAt<P> | undefined;
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
