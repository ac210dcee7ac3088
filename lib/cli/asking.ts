/** How a guest is asked, as shutdown and reboot take it. */
import type { AskMode } from '../client/contract.ts';
import { DomctlError } from '../errors.ts';

export const modeOption = {
  type: 'string',
  requiresArg: true,
  describe: 'How the guest is asked: agent, acpi, or both in the order tried, as in agent,acpi (default: the policy)',
} as const;

/** `agent,acpi`: the modes in their order; undefined when not given. Throws USAGE. */
export function askModes(value: string | undefined): readonly AskMode[] | undefined {
  if (value === undefined) return undefined;
  return value.split(',').map((word) => {
    if (word === 'agent' || word === 'acpi') return word;
    throw new DomctlError('USAGE', `Unknown mode ${word} value, expecting 'acpi' or 'agent'`, {
      hint: '--mode agent,acpi asks the agent, and presses the power button if it does not answer',
    });
  });
}

/** Without `--wait` there is nothing to give up. Throws USAGE. */
export function requireWait(wait: boolean, timeout: string | undefined): void {
  if (timeout !== undefined && !wait) throw new DomctlError('USAGE', '--timeout goes with --wait');
}
