/** Writes `policies/schema.json` again; `npm run policy:schema` runs it from the top of the checkout. */
import { writeFileSync } from 'node:fs';
import { policyJsonSchemaText } from './json-schema.ts';

writeFileSync('policies/schema.json', policyJsonSchemaText());
