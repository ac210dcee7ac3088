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

/** Throws POLICY_FORBIDS when the requester has not the role. */
export async function requireRole(
  role: Role,
  { uid }: Requester,
  readHost: () => Promise<{ readonly value: HostConfig }>,
): Promise<void> {
  const isOwner = uid === process.getuid?.();
  // Also where host.yaml is broken: somebody must be able to end what runs.
  if (isOwner && role !== 'forceStart') return;
  const { security } = (await readHost()).value;
  const caller = await callerOf(uid, isOwner);
  if (hasRole(caller, role, security)) return;
  const list = role === 'observe' && security.observe === 'everyone' ? [] : security[role];
  throw new DomctlError('POLICY_FORBIDS', `${what[role]} is not for ${caller.name ?? `uid ${uid ?? 'unknown'}`}`, {
    hint: `host.yaml, security.${role}: ${[list].flat().join(', ')}`,
    details: { role, uid },
  });
}

const what = { observe: 'to look at domains', control: 'to change anything', forceStart: 'force-start' } as const;

async function callerOf(uid: number | null, isOwner: boolean): Promise<Caller> {
  const name = uid === null ? null : await findUserById(uid);
  return { name, groups: name === null ? [] : await groupsOf(name), isOwner };
}
