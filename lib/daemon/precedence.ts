/** Who goes first while an incarnation is started and the memory of those before it still comes back. */
import { holdBack } from '../host/helper-weight.ts';
import type { Supervisor } from './supervisor.ts';

/**
 * Runs `work` while teardown helpers of the incarnations before it wait: until its end, or until it calls `goOn`, for what
 * needs all of its memory at once is not served by keeping others from giving theirs back.
 */
export async function goingFirst<T>(before: readonly Supervisor[], work: (goOn: () => void) => Promise<T>): Promise<T> {
  const restores = before.flatMap(({ state }) =>
    state.kind === 'draining' && state.helper ? [holdBack(state.helper)] : [],
  );
  const goOn = (): void => {
    for (const restore of restores.splice(0)) restore();
  };
  try {
    return await work(goOn);
  } finally {
    goOn();
  }
}
