/** What rules are made of. */
import type { Domain } from '../domain/definition.ts';
import { devicesAt, find, type Known } from './known.ts';
import type { Problem } from './problems.ts';
import type { PropertyPath } from './properties.ts';

/** A domain as rules see it. */
export type Ruled = Omit<Domain, 'unsupported'>;

/** What is wrong and what to do about it. */
export type Told = readonly [message: string, hint: string];

/** The problem at `key` inside `known`, or at `known` itself when that is not there. */
export function at(known: Known, key: PropertyPath, message: string, hint: string): Problem {
  const { position, path } = (find(known, key) ?? known).element;
  return { kind: 'invalid', position, path, message, hint };
}

/** `told` at `key`, if `isBroken`. */
export function when(isBroken: boolean, known: Known, key: PropertyPath, ...told: Told): Problem[] {
  return isBroken ? [at(known, key, ...told)] : [];
}

/** The rule for each of the devices at `key`; `models` are what was read of them, in the same order. */
export function each<T>(
  known: Known,
  key: PropertyPath,
  models: readonly T[],
  rule: (model: T, index: number) => readonly (Told | null)[],
): Problem[] {
  return devicesAt(known, key).flatMap((element, index) => {
    const model = models[index];
    if (model === undefined) return [];
    return rule(model, index)
      .filter((told) => told !== null)
      .map((told) => at(element, key, ...told));
  });
}

/** Whether a value is there before `index` already; null is never. */
export function repeats(values: readonly (string | number | null)[]): (index: number) => boolean {
  const first = new Map<string | number | null, number>();
  values.forEach((value, index) => first.has(value) || first.set(value, index));
  return (index) => values[index] !== null && first.get(values[index] ?? null) !== index;
}
