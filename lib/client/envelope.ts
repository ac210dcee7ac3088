/** A failure as the contract's JSON. */
import type { ErrorEnvelope } from './contract.ts';
import { asDomctlError } from '../errors.ts';

export function errorEnvelope(error: unknown): ErrorEnvelope {
  const { code, exit, message, hint, details } = asDomctlError(error);
  return { error: { code, exit, message, hint, details } };
}
