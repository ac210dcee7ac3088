/**
 * The JSON Schema that editors use for both kinds of file, made from the schemas that check them.
 * Owns: nothing of its own. Must not know: where the schema is kept.
 */
import { z } from 'zod';
import { hostFile, policyFile } from './schema.ts';

/** The JSON Schema (draft 7) of policy and host files, as committed in `policies/schema.json`. */
export function policyJsonSchema(): object {
  const either = z.union([
    policyFile.meta({ title: 'domctl policy' }),
    hostFile.meta({ title: 'domctl host configuration' }),
  ]);
  return z.toJSONSchema(either.meta({ title: 'domctl policy files' }), { io: 'input', target: 'draft-7' });
}

/** The text of `policies/schema.json`. */
export function policyJsonSchemaText(): string {
  return `${JSON.stringify(policyJsonSchema(), null, 2)}\n`;
}
