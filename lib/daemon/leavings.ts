/** What a guest leaves on disk beside its definition: its UEFI variables, and the state of its TPM. */
import { rm } from 'node:fs/promises';
import type { UndefineAnswer } from '../client/contract.ts';
import type { Domain } from '../domain/definition.ts';
import { DomctlError } from '../errors.ts';
import { existingNvram } from '../host/nvram.ts';
import { existingTpmState, markTransient, removeTransient } from './tpm.ts';

/** What becomes of them; nvram null: refused while there is one. */
export interface Leavings {
  readonly nvram: 'keep' | 'remove' | null;
  /** The state of its TPM; while an incarnation has it, it goes with that. */
  readonly tpm: 'keep' | 'remove';
}

/** What is done about them: `note` before the definition goes, so that a daemon after this one knows; `clear` after it. */
export interface Clearing {
  note(): Promise<void>;
  clear(): Promise<Pick<UndefineAnswer, 'nvram' | 'tpm'>>;
}

/**
 * Finds what there is and whether the choice can be followed, before anything is changed. heldBy: the incarnation that may
 * use it. Throws WRONG_STATE.
 */
export async function decideLeavings(
  domain: Domain,
  choice: Leavings & { readonly heldBy: number | null; readonly stateDir: string },
): Promise<Clearing> {
  const { nvram, tpm, heldBy, stateDir } = choice;
  const variables = await existingNvram(domain, stateDir);
  if (variables !== null) requireNvramChoice(domain.name, { variables, nvram, heldBy });
  const state = await existingTpmState(stateDir, domain.uuid);
  const { uuid } = domain;
  return {
    note: async () => {
      if (state !== null && tpm === 'remove') await markTransient(stateDir, uuid);
    },
    clear: async () => ({
      nvram:
        variables === null ? null : { path: variables, removed: nvram === 'remove' && (await isRemoved(variables)) },
      tpm: state === null ? null : { path: state, removed: heldBy === null && (await removeTransient(stateDir, uuid)) },
    }),
  };
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
