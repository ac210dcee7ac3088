/** The facts of an incarnation, read afresh: does its recorded hypervisor live, and is there anything left to charge it for? */
import type { Cgroup } from '../../cgroups/cgroup.ts';
import type { ProcessIdentity } from '../domain/incarnation.ts';
import { judgeMemory, type MemoryVerdict } from '../drain/released.ts';
import { messageOf } from '../errors.ts';
import { argumentsOf, isSameProcess, isTeardownHelper, readProcess, unlessGone } from '../host/processes.ts';
import { known, type Reading, unknown } from '../reading.ts';
import type { Supervisor } from './supervisor.ts';

/** Whether the recorded hypervisor lives; unknown: it still cannot be told, and why. */
export function readFacts(supervisor: Supervisor): Reading<'alive' | 'gone'> {
  try {
    const missing = whatCannotBeRead(supervisor);
    if (missing !== null) return unknown(missing);
    const hypervisor = recordedHypervisor(supervisor);
    return known(hypervisor && isSameProcess(hypervisor) ? 'alive' : 'gone');
  } catch (error) {
    return unknown(messageOf(error));
  }
}

/** null: both facts can be read again, or the cgroup is gone and the domain's own proves that nothing is left. */
function whatCannotBeRead(supervisor: Supervisor): string | null {
  const { cgroup, state } = supervisor;
  const facts = state.kind === 'lost' ? state.was : state;
  if (facts.kind === 'draining' && facts.memoryGone) return null;
  const populated = cgroup.populated();
  const memory = cgroup.memory();
  if (populated.known && memory.known) return null;
  if (judgeVanished(supervisor).kind === 'gone') return null;
  return populated.known ? (memory.known ? null : memory.reason) : populated.reason;
}

/** The live hypervisor of the state, or of the state before it was lost. */
export function recordedHypervisor({ state }: Supervisor): ProcessIdentity | null {
  const facts = state.kind === 'lost' ? state.was : state;
  return 'hypervisor' in facts ? facts.hypervisor : null;
}

/**
 * The cgroup directory is gone without us (or never was): then its charges, if any, are the domain's cgroup's now, and
 * only that one being empty too proves that nothing is left.
 */
export function judgeVanished(supervisor: Supervisor): MemoryVerdict {
  const exists = supervisor.cgroup.exists();
  if (!exists.known) return { kind: 'unreadable', reason: exists.reason };
  if (exists.value) return { kind: 'unreadable', reason: 'its figures cannot be read' };
  const branch = supervisor.branch();
  const branchExists = branch.exists();
  if (branchExists.known && !branchExists.value) return { kind: 'gone', oomKilled: null };
  return judgeMemory(branch.populated(), branch.memory());
}

/**
 * The hypervisor of an incarnation by what the kernel alone knows: the process in its cgroup, where none is born but by us,
 * that was started with its monitor's socket, a path of its own. null: there is none, or not one alone.
 */
export function findHypervisor(cgroup: Cgroup, socket: string): ProcessIdentity | null {
  const word = `path=${socket.replaceAll(',', ',,')}`; // as QEMU's options are written
  const inside = (unlessGone(() => cgroup.processes()) ?? []).flatMap((pid) => readProcess(pid) ?? []);
  const named = inside.filter(({ identity }) => argumentsOf(identity.pid).some((argument) => argument.includes(word)));
  // A teardown helper is a clone, and has the same arguments.
  const own = named.filter(({ name }) => !isTeardownHelper(name, 'preload') && !isTeardownHelper(name, 'qemu'));
  const pids = new Set(own.map(({ identity }) => identity.pid));
  const [first, ...others] = own.filter(({ parent }) => !pids.has(parent));
  return first && others.length === 0 ? first.identity : null;
}
