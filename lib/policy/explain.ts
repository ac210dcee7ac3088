/** Every value of a policy or of host.yaml with the place that says it. Pure. */
import { inlineYaml } from './source.ts';
import type { Loaded } from './types.ts';

/** One value, as its file writes it, and where. */
export interface ExplainedValue {
  /** Dotted YAML path. */
  readonly key: string;
  /** As a file says it, e.g. `25%`. */
  readonly value: string;
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly path: string;
}

/** Every value with its origin, in the order of the schema. */
export function explainValues({ written, origins }: Pick<Loaded<unknown>, 'written' | 'origins'>): ExplainedValue[] {
  return [...origins].map(([key, { file, line, path = file }]) => ({
    key,
    value: inlineYaml(valueAt(written, key)),
    file,
    line,
    path,
  }));
}

function valueAt(data: unknown, key: string): unknown {
  return key.split('.').reduce<unknown>((inner, part) => (inner as Record<string, unknown>)[part], data);
}
