import { expect, test } from 'vitest';
import { policyJsonSchema } from '../../../lib/policy/json-schema.ts';
import { shippedText } from './places.ts';

test('schema.json is what the code makes: npm run policy:schema writes it again', () => {
  expect(JSON.parse(shippedText('schema.json'))).toEqual(JSON.parse(JSON.stringify(policyJsonSchema())));
});

test('the schema knows both kinds of file and refuses unknown keys', () => {
  const { anyOf } = policyJsonSchema() as { anyOf: { additionalProperties: boolean; required: string[] }[] };
  expect(anyOf.map((kind) => kind.required)).toEqual([
    ['kind', 'version', 'name'],
    ['kind', 'version'],
  ]);
  expect(anyOf.every((kind) => !kind.additionalProperties)).toBe(true);
});
