import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { DomctlError } from '../../lib/errors.ts';
import { checkSource } from '../../lib/policy/check.ts';
import { loadPolicy, loadPolicyFile } from '../../lib/policy/load.ts';
import { readSource } from '../../lib/policy/source.ts';
import * as values from '../../lib/policy/values.ts';

const shippedDir = fileURLToPath(new URL('../../policies', import.meta.url));
const balanced = readFileSync(join(shippedDir, 'balanced.yaml'), 'utf8');
const directory = mkdtempSync(join(tmpdir(), 'domctl-policy-'));
const places = { configDir: directory, shippedDir };
afterAll(() => rmSync(directory, { recursive: true }));

const sizes = fc.maxSafeNat().map((n) => Math.floor(n / 1024) * 1024);
const percents = fc.nat(100_000).map((milli) => milli / 1000);
const durations = fc.nat(values.longestDurationMs);
const anyText = fc.string({ unit: 'binary', maxLength: 200 });
const yamlText = fc.string({
  unit: fc.constantFrom(
    ...' \n\n:-[]{},&*!|>%#?"\'\\~',
    'a',
    'kind: ',
    'policy',
    '1',
    'name',
    '<<',
    '\t',
    '\u0000',
    '---\n',
  ),
  maxLength: 60,
});
/** balanced.yaml with one stretch of it replaced. */
const damaged = fc
  .tuple(fc.nat(balanced.length), fc.nat(20), fc.oneof(anyText, yamlText))
  .map(([at, length, text]) => balanced.slice(0, at) + text + balanced.slice(at + length));

describe('what is printed reads back as the same value:', () => {
  test('sizes', () => {
    fc.assert(fc.property(sizes, (bytes) => values.parseSize(values.formatSize(bytes)) === bytes));
  });
  test('percentages', () => {
    fc.assert(fc.property(percents, (percent) => values.parsePercent(values.formatPercent(percent)) === percent));
  });
  test('durations', () => {
    fc.assert(fc.property(durations, (ms) => values.parseDuration(values.formatDuration(ms)) === ms));
  });
});

describe('a share of a whole', () => {
  test('is a safe integer from nothing to the whole, and grows with the percentage', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), percents, percents, (whole, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)].map((percent) =>
          values.resolveShare({ kind: 'percent', percent }, whole),
        ) as [number, number];
        expect(Number.isSafeInteger(less) && 0 <= less && less <= more && more <= whole).toBe(true);
      }),
    );
  });
});

describe('any text', () => {
  test('is no value or a finite one of its kind', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, yamlText), (text) => {
        for (const parse of [values.parseSize, values.parsePercent, values.parseDuration]) {
          const value = parse(text);
          expect(value === null || (Number.isFinite(value) && value >= 0)).toBe(true);
        }
      }),
    );
  });

  test('as a file is accepted or refused with INVALID_POLICY and its place', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, yamlText, damaged), (text) => {
        for (const kind of ['policy', 'host'] as const) expectPlace(problemOf(text, kind));
      }),
      { numRuns: 500 },
    );
  });

  test('in place of a part of a policy yields a whole policy or INVALID_POLICY', async () => {
    const keys = Object.keys((await loadPolicy('balanced', places)).value);
    const file = join(directory, 'balanced.yaml');
    await fc.assert(
      fc.asyncProperty(damaged, async (text) => {
        writeFileSync(file, text);
        const outcome = await loadPolicyFile(file, places).catch((error: unknown) => error);
        if (outcome instanceof Error) expectPlace(outcome);
        else expect(Object.keys((outcome as { value: object }).value)).toEqual(keys);
      }),
      { numRuns: 150 },
    );
  });
});

function problemOf(text: string, kind: 'policy' | 'host'): unknown {
  try {
    checkSource(readSource(text, 'some.yaml'), kind);
    return null;
  } catch (error) {
    return error;
  }
}

function expectPlace(problem: unknown): void {
  if (problem === null) return;
  expect(problem).toBeInstanceOf(DomctlError);
  const { code, message } = problem as DomctlError;
  expect(code).toBe('INVALID_POLICY');
  expect(message).toMatch(/\.yaml:[1-9]\d*:[1-9]\d*: [^\n]+$/);
}
