/** Asking a guest to shut down or reboot: by its agent or its power button, in the order given; the first that takes it will do. */
import type { AskMode } from '../domain/incarnation.ts';
import { DomctlError } from '../errors.ts';
import { AgentError, GuestAgent } from '../qemu/agent.ts';
import { queryChardev, setAction, systemPowerdown } from '../qemu/commands.ts';
import type { QmpClient } from '../qemu/qmp.ts';
import type { Supervisor } from './supervisor.ts';

/** libvirt waits a minute for an agent; one that is there answers at once, also under emulation. */
const agentDeadlineMs = 10_000;

/** Throws what the guest said, or why nobody could be asked: HOST_LACKS without a channel, GUEST_SILENT without an answer. */
export async function askGuest(
  supervisor: Supervisor,
  to: 'shutdown' | 'reboot',
  modes: readonly AskMode[],
): Promise<void> {
  const qmp = monitorOf(supervisor);
  // A guest that powers off on its way to a reboot must find its hypervisor waiting for it.
  await setAction(qmp, { shutdown: to === 'reboot' ? 'pause' : afterPoweroff(supervisor) });
  const failures: DomctlError[] = [];
  for (const mode of modes) {
    const failure = await ask(supervisor, qmp, to, mode);
    if (failure === null) return;
    failures.push(failure);
  }
  throw failures.at(-1) ?? new DomctlError('USAGE', 'no way to ask the guest was given');
}

/** What the hypervisor does when its guest powers off by itself. */
export function afterPoweroff({ launch }: Supervisor): 'pause' | 'poweroff' {
  return launch.lifecycle.onPoweroff === 'restart' ? 'pause' : 'poweroff';
}

/** The monitor; throws FAILED while there is no connection to it. */
export function monitorOf({ launch, qmp }: Supervisor): QmpClient {
  if (qmp) return qmp;
  throw new DomctlError(
    'FAILED',
    `no connection to the hypervisor of '${launch.domain}': its guest could not be asked`,
    {
      hint: "it is tried again every second; 'domctl destroy' works without it",
    },
  );
}

/** null: it was asked. */
async function ask(
  supervisor: Supervisor,
  qmp: QmpClient,
  to: 'shutdown' | 'reboot',
  mode: AskMode,
): Promise<DomctlError | null> {
  if (mode === 'agent') return askAgent(supervisor, qmp, to);
  await systemPowerdown(qmp);
  return null;
}

async function askAgent(
  { launch }: Supervisor,
  qmp: QmpClient,
  to: 'shutdown' | 'reboot',
): Promise<DomctlError | null> {
  const { agentSocket, domain } = launch;
  if (agentSocket === null) {
    return new DomctlError('HOST_LACKS', `domain '${domain}' has no guest agent: QEMU guest agent is not configured`, {
      hint: "define a <channel type='unix'> with <target type='virtio' name='org.qemu.guest_agent.0'/>, or use --mode acpi",
    });
  }
  const channels = await queryChardev(qmp);
  const isOpen = channels.some(({ filename, frontendOpen }) => filename.includes(agentSocket) && frontendOpen);
  if (!isOpen) return silent(domain, 'it is not running');
  try {
    const agent = await GuestAgent.connect(agentSocket, { deadlineMs: agentDeadlineMs });
    try {
      await agent.shutdown(to === 'reboot' ? 'reboot' : 'powerdown');
    } finally {
      agent.close();
    }
    return null;
  } catch (error) {
    if (error instanceof AgentError) return silent(domain, error.message);
    throw error;
  }
}

function silent(domain: string, why: string): DomctlError {
  return new DomctlError('GUEST_SILENT', `the guest agent of '${domain}' could not be asked: ${why}`, {
    hint: 'start qemu-guest-agent in the guest, or use --mode acpi',
  });
}
