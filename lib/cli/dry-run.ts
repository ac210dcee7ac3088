/** `--dry-run` of a start: the arithmetic and the verdict, and the exit code of the real call. */
import type { StartAnswer } from '../client/contract.ts';
import { DomctlError, isErrorCode } from '../errors.ts';
import { type Context, describeFailure } from './command.ts';
import { renderArithmetic, renderBrake } from './render/memory.ts';

export const dryRunOption = {
  type: 'boolean',
  default: false,
  describe: 'Print the arithmetic and the verdict, start nothing; the exit code is that of the real call',
} as const;

/** Returns the exit code of the real call. */
export function showDryRun(answer: StartAnswer, context: Context): number {
  context.say(`${renderArithmetic(answer)}${renderBrake(answer)}`.trimEnd());
  context.answer(answer);
  if (answer.admitted || !answer.refusal) {
    context.say('It would be admitted now');
    return 0;
  }
  const { code, message, hint, details } = answer.refusal;
  const failure = new DomctlError(isErrorCode(code) ? code : 'FAILED', message, { hint: hint ?? undefined, details });
  process.stderr.write(describeFailure(failure));
  return failure.exit;
}
