/**
 * THE table of what domctl knows of libvirt's domain XML: path -> how it is read.
 * Owns: what is known. An element or attribute without a line here is unknown, and refused (`check.ts`). The reading modules
 * ask by the same paths, and their types follow from here.
 *
 * `disk[file]/source` holds for disks of type file only: the element's own line names the attribute that decides (`by`).
 */
import { characters } from './properties-characters.ts';
import { controllers } from './properties-controllers.ts';
import { devices } from './properties-devices.ts';
import { disks } from './properties-disks.ts';
import { features } from './properties-features.ts';
import { hostdevs } from './properties-hostdevs.ts';
import { identity } from './properties-identity.ts';
import { graphics } from './properties-graphics.ts';
import { interfaces } from './properties-interfaces.ts';
import { iothreads } from './properties-iothreads.ts';
import { machine } from './properties-machine.ts';
import { memory } from './properties-memory.ts';
import { numa } from './properties-numa.ts';
import { redirection } from './properties-redirection.ts';
import { shmem } from './properties-shmem.ts';
import { sound } from './properties-sound.ts';
import { translation } from './properties-translation.ts';
import { tuning } from './properties-tuning.ts';
import type { Lines, Property } from './property.ts';

const properties = {
  ...machine,
  ...features,
  ...identity,
  ...memory,
  ...numa,
  ...tuning,
  ...disks,
  ...iothreads,
  ...interfaces,
  ...characters,
  ...controllers,
  ...devices,
  ...graphics,
  ...sound,
  ...redirection,
  ...translation,
  ...hostdevs,
  ...shmem,
} as const;

/** The whole table, for what lists it. */
export const table: Lines = properties;

/** A path without the marks of variants. */
type Plain<K extends string> = K extends `${infer A}[${string}]${infer B}` ? `${A}${Plain<B>}` : K;

type Values = {
  readonly [K in keyof typeof properties as K | Plain<K>]: (typeof properties)[K] extends Property<infer T> ? T : never;
};

/** Path of an element, text or attribute: in one variant (`disk[file]/source`), or in whatever variant (`disk/source`). */
export type PropertyPath = keyof Values;

/** What reading the text or attribute at `P` gives. */
export type ValueAt<P extends PropertyPath> = Values[P];

/** A key without the marks of variants. */
export function plainKey(key: string): string {
  return key.includes('[') ? key.replace(/\[[^\]]*\]/g, '') : key;
}

// In reverse: the element's own line comes before those of its variants, and stays.
const elements = new Map(
  Object.entries(table)
    .toReversed()
    .map(([key, property]) => [plainKey(key), property]),
);

/** The line for an element at `key`, which tells no variants. */
export function elementAt(key: string): Property<unknown> | null {
  return elements.get(key) ?? null;
}
