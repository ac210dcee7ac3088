/** What a guest leaves on disk beside its definition: its UEFI variables, and the state of its TPM. */
import { rm } from 'node:fs/promises';
import type { UndefineAnswer } from '../client/contract.ts';
import type { Domain } from '../domain/definition.ts';
import { DomctlError } from '../errors.ts';
import { existingNvram } from '../host/nvram.ts';
import { existingTpmState, removeTpmState } from './tpm.ts';

/** What becomes of them; nvram null: refused while there is one. */
export interface Leavings {
  readonly nvram: 'keep' | 'remove' | null;
  /** The state of its TPM; left, and said to be, while an incarnation has it. */
  readonly tpm: 'keep' | 'remove';
}

/**
 * Finds what there is and whether the choice can be followed, before anything is changed; what it returns removes what is to
 * go, and tells. heldBy: the incarnation that may use it. Throws WRONG_STATE.
 */
export async function decideLeavings(
  domain: Domain,
  choice: Leavings & { readonly heldBy: number | null; readonly stateDir: string },
): Promise<() => Promise<Pick<UndefineAnswer, 'nvram' | 'tpm'>>> {
  const { nvram, tpm, heldBy, stateDir } = choice;
  const variables = await existingNvram(domain, stateDir);
  if (variables !== null) requireNvramChoice(domain.name, { variables, nvram, heldBy });
  const state = await existingTpmState(stateDir, domain.uuid);
  return async () => ({
    nvram: variables === null ? null : { path: variables, removed: nvram === 'remove' && (await isRemoved(variables)) },
    tpm:
      state === null
        ? null
        : { path: state, removed: tpm === 'remove' && heldBy === null && (await removeTpmState(state)) },
  });
}

async function isRemoved(path: string): Promise<boolean> {
  await rm(path, { force: true });
  return true;
}

/** Variables are a guest's own: nobody removes or forgets them without being told to. */
function requireNvramChoice(
  name: string,
  choice: { variables: string; nvram: 'keep' | 'remove' | null; heldBy: number | null },
): void {
  if (choice.nvram === null) throw nvramInTheWay(name, choice.variables);
  if (choice.nvram === 'remove' && choice.heldBy !== null) throw nvramInUse(name, choice.heldBy);
}

function nvramInTheWay(name: string, path: string): DomctlError {
  return new DomctlError('WRONG_STATE', `cannot undefine domain '${name}' with nvram: ${path}`, {
    hint: '--nvram removes it too, --keep-nvram leaves it',
    details: { domain: name, nvram: path },
  });
}

function nvramInUse(name: string, id: number): DomctlError {
  return new DomctlError('WRONG_STATE', `cannot remove the nvram of domain '${name}': incarnation ${id} has it`, {
    hint: '--keep-nvram leaves it, or end the incarnation first',
  });
}
