/** Who goes first while an incarnation starts and the memory of those before it still comes back. */
import type { AdmissionClass } from '../admission/decision.ts';
import { holdBack } from '../host/helper-weight.ts';
import type { Supervisor } from './supervisor.ts';

/** Runs a launch; teardown helpers of the incarnations before it wait, unless it needs all of its memory at once. */
export async function goingFirst(
  before: readonly Supervisor[],
  admission: AdmissionClass,
  launch: () => Promise<void>,
): Promise<void> {
  const waiting = admission === 'eager' ? [] : before.flatMap(helperOf);
  const restores = waiting.map(holdBack);
  try {
    await launch();
  } finally {
    for (const restore of restores) restore();
  }
}

function helperOf({ state }: Supervisor): Parameters<typeof holdBack>[0][] {
  return state.kind === 'draining' && state.helper ? [state.helper] : [];
}
