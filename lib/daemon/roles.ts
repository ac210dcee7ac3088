/**
 * Who may what, by the user at the other end of the socket and host.yaml's lists. Whoever runs the daemon owns its files and
 * machines: a list of control cannot shut them out, and in lists they are `root`.
 */
import { DomctlError } from '../errors.ts';
import { findUserById, groupsOf } from '../host/users.ts';
import type { Requester } from '../domain/incarnation.ts';
import type { HostConfig } from '../policy/types.ts';

/** observe: look. control: change anything. forceStart: of those, who may start over draining memory. */
export type Role = 'observe' | 'control' | 'forceStart';

/** A user as lists name them. */
export interface Caller {
  /** null: no such user is known. */
  readonly name: string | null;
  readonly groups: readonly string[];
  /** Runs the daemon. */
  readonly isOwner: boolean;
}

/** Whether the caller has the role; who may change anything may look, and nobody force-starts who may change nothing. */
export function hasRole(caller: Caller, role: Role, { control, forceStart, observe }: HostConfig['security']): boolean {
  const mayControl = caller.isOwner || isNamed(caller, control);
  if (role === 'forceStart') return mayControl && isNamed(caller, forceStart);
  if (role === 'control' || mayControl) return mayControl;
  return observe === 'everyone' || isNamed(caller, observe);
}

function isNamed({ name, groups, isOwner }: Caller, list: readonly string[]): boolean {
  const names = [
    ...(isOwner ? ['root'] : []),
    ...(name === null ? [] : [name]),
    ...groups.map((one) => `group:${one}`),
  ];
  return names.some((one) => list.includes(one));
}

/** Who runs the daemon. */
const own = process.getuid?.();

/** Throws POLICY_FORBIDS when the requester has not the role. */
export async function requireRole(
  role: Role,
  { uid }: Requester,
  readHost: () => Promise<{ readonly value: HostConfig }>,
): Promise<void> {
  const isOwner = uid === own;
  // Also where host.yaml is broken: somebody must be able to end what runs.
  if (isOwner && role !== 'forceStart') return;
  const { security } = (await readHost()).value;
  if (role === 'observe' && security.observe === 'everyone') return;
  const caller = await callers.find(uid, isOwner);
  if (hasRole(caller, role, security)) return;
  throw new DomctlError('POLICY_FORBIDS', `${what[role]} is not for ${caller.name ?? `uid ${uid ?? 'unknown'}`}`, {
    hint: `host.yaml, security.${role}: ${[security[role]].flat().join(', ')}`,
    details: { role, uid },
  });
}

const what = { observe: 'to look at domains', control: 'to change anything', forceStart: 'force-start' } as const;

async function callerOf(uid: number | null, isOwner: boolean): Promise<Caller> {
  const name = uid === null ? null : await findUserById(uid);
  return { name, groups: name === null ? [] : await groupsOf(name), isOwner };
}

/** Who somebody is takes programs to find out: not for every request of theirs, and once for those that come together. */
class Callers {
  readonly #found = new Map<number | null, { readonly caller: Promise<Caller>; readonly untilMs: number }>();

  async find(uid: number | null, isOwner: boolean): Promise<Caller> {
    const known = this.#found.get(uid);
    if (known && performance.now() < known.untilMs) return known.caller;
    if (this.#found.size >= mostRemembered) this.#found.clear();
    const caller = callerOf(uid, isOwner);
    this.#found.set(uid, { caller, untilMs: performance.now() + rememberedMs });
    caller.catch(() => this.#found.delete(uid));
    return caller;
  }
}

/** So long a change of somebody's groups may go unseen. */
const rememberedMs = 2000;
const mostRemembered = 1000;

const callers = new Callers();
