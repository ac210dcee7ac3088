/**
 * Ports that were free when they were chosen, and somebody else's when QEMU bound them. QEMU takes no listening socket for
 * VNC, and its own search (`to=`) would listen where nothing is claimed: so a launch that lost one is made again, once.
 */
import { DomctlError } from '../errors.ts';
import type { Preparation } from './preparation.ts';
import { isTaken } from './resources.ts';
import type { Supervisor } from './supervisor.ts';
import { withDeadline } from './waiting.ts';

/** Whether the launch failed because a port that was chosen for it was lost, by QEMU's words or by the kernel's. */
export async function hasLostPort(
  error: unknown,
  { vncPorts, claims }: Pick<Preparation, 'vncPorts' | 'claims'>,
): Promise<boolean> {
  if (vncPorts.size === 0 || !(error instanceof DomctlError) || error.code !== 'FAILED') return false;
  if (/address already in use/i.test(error.message)) return true;
  const ports = new Set(vncPorts.values());
  for (const claim of claims) if (claim.kind === 'port' && ports.has(claim.port) && (await isTaken(claim))) return true;
  return false;
}

/** Waits for the end of a launch that failed. False: somebody destroyed it, or nothing proves it gone in time. */
export async function becomesReleased(supervisor: Supervisor): Promise<boolean> {
  const { launch, state } = supervisor;
  if (!('outcome' in state) || state.outcome.kind !== 'failed') return false;
  const patience = new AbortController();
  return withDeadline(launch.clocks.freedTimeoutMs, patience.signal, async (signal) =>
    supervisor.until(({ kind }) => kind === 'released', signal),
  ).then(
    () => true,
    () => false,
  );
}
