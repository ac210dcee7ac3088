/** The word users see for a domain: that of its newest incarnation that is not released; with none, `shut off`. */
import type { Incarnation, IncarnationState, Outcome, StateKind } from './incarnation.ts';

const words = {
  launching: 'starting',
  running: 'running',
  paused: 'paused',
  stopping: 'in shutdown',
  exiting: 'exiting',
  draining: 'draining',
  released: 'shut off',
  lost: 'unknown',
} as const satisfies Record<StateKind, string>;

export type StateWord = (typeof words)[StateKind] | 'crashed' | 'pmsuspended';

/** The word of one state; a guest whose kernel panicked reads `crashed`, one that sleeps `pmsuspended`, as in virsh. */
export function stateWord(state: IncarnationState): StateWord {
  if (state.kind === 'paused' && state.reason === 'panicked') return 'crashed';
  if (state.kind === 'paused' && state.reason === 'pmsuspended') return 'pmsuspended';
  return words[state.kind];
}

/** The newest incarnation that is not released: the one whose word is the domain's. */
export function currentIncarnation(incarnations: readonly Incarnation[]): Incarnation | null {
  return incarnations.filter(isUnreleased).reduce(newest, null);
}

/** The newest incarnation of all: the current one, or the last that was released. */
export function lastIncarnation(incarnations: readonly Incarnation[]): Incarnation | null {
  return incarnations.reduce(newest, null);
}

/** Incarnations before the current one that still hold memory. */
export function predecessors(incarnations: readonly Incarnation[]): readonly Incarnation[] {
  const current = currentIncarnation(incarnations);
  return incarnations.filter((one) => isUnreleased(one) && one !== current);
}

export function isUnreleased(incarnation: Incarnation): boolean {
  return incarnation.state.kind !== 'released';
}

/** virsh's reason for the state, in parentheses after the word. */
export function stateReason(state: IncarnationState | null): string {
  if (state === null) return 'unknown';
  switch (state.kind) {
    case 'launching':
      return 'starting up';
    case 'running':
    case 'paused':
      return state.reason;
    case 'stopping':
      return state.byGuest ? 'guest request' : 'host request';
    case 'exiting':
    case 'draining':
    case 'released':
      return outcomeWord(state.outcome);
    case 'lost':
      return state.reason;
  }
}

/** How an incarnation ended, in virsh's words where it has one. */
export function outcomeWord(outcome: Outcome): string {
  if (outcome.oomKilled) return `${outcome.kind}, by the OOM killer`;
  return outcome.kind === 'unknown' ? 'unknown, the daemon was away' : outcome.kind;
}

function newest(best: Incarnation | null, one: Incarnation): Incarnation {
  return best === null || one.launch.id > best.launch.id ? one : best;
}
