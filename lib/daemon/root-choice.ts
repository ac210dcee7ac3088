/** Where the daemon's cgroups hang: an incarnation cannot move, so those that live decide before any setting does. */
import type { Incarnation } from '../domain/incarnation.ts';

/** What the choice is made from; paths are below the cgroup2 mount. */
export interface RootFacts {
  readonly remembered: readonly Incarnation[];
  readonly bootId: string;
  /** DOMCTL_CGROUP_ROOT; null when it was not given. */
  readonly given: string | null;
  /** The daemon's own cgroup, as /proc/self/cgroup has it; null: in none. */
  readonly own: string | null;
  /** For want of all these. */
  readonly byDefault: string;
}

/** A leaf that systemd (>= 254) makes for the daemon: `DelegateSubgroup=daemon` in domctld.service. */
const subgroup = /^(\/.+\.service)\/daemon$/;

/**
 * The root of the incarnations of this boot that are not released, else the given one, else the delegated subtree of the
 * unit, else the default. A unit's own cgroup without a leaf for the daemon is not taken: systemd could not start the
 * daemon a second time in a cgroup that hands controllers down to machines (cgroup v2: no processes in inner cgroups).
 */
export function chooseRoot({ remembered, bootId, given, own, byDefault }: RootFacts): string {
  return inhabited(remembered, bootId) ?? given ?? delegated(own) ?? byDefault;
}

function inhabited(remembered: readonly Incarnation[], bootId: string): string | null {
  const alive = remembered.find(({ launch, state }) => state.kind !== 'released' && launch.bootId === bootId);
  if (!alive) return null;
  // <root>/vm-<name>/<number>
  return alive.launch.cgroup.split('/').slice(0, -2).join('/') || '/';
}

function delegated(own: string | null): string | null {
  return (own && subgroup.exec(own)?.[1]) ?? null;
}
