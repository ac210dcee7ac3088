/**
 * What the table says of one element, attribute or text, and the words the table is written in.
 * Must not know: any element.
 */
import { oneOf, supported, type Reader } from './values.ts';

export interface Property<T> {
  /** null: an element that holds only other elements, or whose presence says all. */
  readonly reader: Reader<T> | null;
  /**
   * Of an element, in its parent. `several`: as often as one likes. `once`: a second one is wrong. `first`: libvirt takes
   * several, domctl the first; the others are unsupported.
   */
  readonly repeats: 'once' | 'several' | 'first';
  /** What it means that it is absent. `element`: libvirt's default is nothing domctl supports; the element is set aside. */
  readonly absence: 'fine' | 'invalid' | 'element';
  /** Everything in it is kept and none of it looked at. */
  readonly opaque: boolean;
  /** Nothing unsupported can be let through inside it alone: the whole element is set aside, and its device with it. */
  readonly whole: boolean;
  /**
   * What a refused value means. `invalid`: an error, always. `element`, `attribute`: libvirt knows more values than domctl;
   * --allow-unsupported sets the element (of a device: the whole device) or the attribute aside.
   */
  readonly refusal: 'invalid' | 'element' | 'attribute';
  /** Taken as good XML and left out: what it says is already so, or is libvirt's to say of a running machine. */
  readonly without: 'effect' | null;
  /** libvirt has it and domctl does not: what to do instead. null: it is supported. */
  readonly missing: string | null;
  /** The attribute whose value decides what else the element may hold (`disk[file]`), and its value when absent. */
  readonly variant: { readonly attribute: string; readonly absent: string | null } | null;
}

const plain = {
  repeats: 'once',
  absence: 'fine',
  opaque: false,
  whole: false,
  refusal: 'invalid',
  without: null,
  missing: null,
  variant: null,
} as const;

/** An element without a value. */
export const holder: Property<never> = { ...plain, reader: null };

/** A value; one that its reader refuses is wrong for anyone. */
export function value<T>(reader: Reader<T>): Property<T> {
  return { ...plain, reader };
}

/** A value that libvirt has more of: a refused one sets its element aside. */
export function part<T>(reader: Reader<T>): Property<T> {
  return { ...plain, reader, refusal: 'element' };
}

/** Words libvirt has more of. */
export function only<const T extends string>(...words: readonly T[]): Property<T> {
  return part(supported(...words));
}

/** A closed list of words. */
export function words<const T extends string>(...list: readonly T[]): Property<T> {
  return value(oneOf(...list));
}

/** Must be there. */
export function required<T>(property: Property<T>): Property<T> {
  return { ...property, absence: 'invalid' };
}

/** Must be there for domctl; libvirt has a default that is not supported. */
export function told<T>(property: Property<T>): Property<T> {
  return { ...property, absence: 'element' };
}

/** May stand more than once. */
export function several<T>(property: Property<T>): Property<T> {
  return { ...property, repeats: 'several' };
}

/** libvirt takes several, domctl one. */
export function first<T>(property: Property<T>): Property<T> {
  return { ...property, repeats: 'first' };
}

/** Cannot be understood in part. */
export function whole<T>(property: Property<T>): Property<T> {
  return { ...property, whole: true };
}

/** Accepted without effect; another value than the reader's is unsupported. */
export function ignored<T>(property: Property<T>): Property<T> {
  return { ...property, without: 'effect', refusal: property.refusal === 'invalid' ? 'attribute' : property.refusal };
}

/** libvirt's, not domctl's; `hint` says what to do. */
export function missing(hint = 'remove it'): Property<never> {
  return { ...holder, missing: hint };
}

/** An element whose `attribute` decides what it holds; `absent` is the value it has when not given. */
export function by<T>(attribute: string, absent: string | null, property: Property<T>): Property<T> {
  return { ...property, variant: { attribute, absent } };
}

/** Lines of a table, keyed by path. */
export type Lines = Readonly<Record<string, Property<unknown>>>;

/** The lines of `table`, their paths continued from `parent`. */
export function under<const P extends string, const T extends Lines>(
  parent: P,
  table: T,
): { readonly [K in keyof T & string as `${P}${K}`]: T[K] } {
  const entries = Object.entries(table).map(([key, property]) => [parent + key, property]);
  // Only the keys were continued.
  return Object.fromEntries(entries) as { readonly [K in keyof T & string as `${P}${K}`]: T[K] };
}
