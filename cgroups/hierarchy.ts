/**
 * Which cgroup hierarchy this host has, and where our subtree hangs. Knows nothing of VMs.
 * unified: processes and memory in v2. hybrid: processes in v2, memory read from a twin directory in the v1 memory mount.
 */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DomctlError, isErrno, KernelError } from '../lib/errors.ts';
import { Cgroup } from './cgroup.ts';
import type { Controller } from './limits.ts';
import { makeCgroup, readCgroupFile, writeCgroupFile } from './files.ts';
import { type CgroupMount, parseCgroupMounts, parseWords } from './parse.ts';

/** Where the daemon is when the root is its own: as in domctld.service, `DelegateSubgroup=daemon`. */
const leafName = 'daemon';

export type Hierarchy =
  | { readonly kind: 'unified'; readonly mount: CgroupMount }
  | { readonly kind: 'hybrid'; readonly mount: CgroupMount; readonly memory: CgroupMount };

/** Controllers domctl reads by where they are offered. Only memory is a must (or its v1 twin). */
const wantedControllers = ['memory', 'hugetlb'] as const;

/** Pure: the hierarchy that `mountinfo` describes, given the root's `cgroup.controllers`. Throws HOST_LACKS with the remedy. */
export function detectHierarchy(
  mountinfo: string,
  controllersOf: (mount: CgroupMount) => readonly string[],
): Hierarchy {
  const mounts = parseCgroupMounts(mountinfo);
  const mount = chooseMount(mounts, (candidate) => candidate.version === 2);
  if (!mount) throw lacks('no cgroup v2 is mounted', 'mount it: mount -t cgroup2 none /sys/fs/cgroup');
  if (mount.readonly) throw readOnly(mount.mountPoint);
  if (controllersOf(mount).includes('memory')) return { kind: 'unified', mount };
  const memory = chooseMount(
    mounts,
    (candidate) => candidate.version === 1 && candidate.controllers.includes('memory'),
  );
  if (!memory)
    throw lacks(
      'no cgroup memory controller',
      'boot with systemd.unified_cgroup_hierarchy=1 and without cgroup_disable=memory',
    );
  if (memory.readonly) throw readOnly(memory.mountPoint);
  return { kind: 'hybrid', mount, memory };
}

/** A hierarchy may be mounted in many places, read-only for a chroot among them: the first writable one, else the first. */
function chooseMount(
  mounts: readonly CgroupMount[],
  isWanted: (mount: CgroupMount) => boolean,
): CgroupMount | undefined {
  const candidates = mounts.filter(isWanted);
  return candidates.find((candidate) => !candidate.readonly) ?? candidates[0];
}

/** The hierarchy of this host. Throws HOST_LACKS. */
export function readHierarchy(): Hierarchy {
  return detectHierarchy(readFileSync('/proc/self/mountinfo', 'utf8'), (mount) =>
    parseWords(readCgroupFile(join(mount.mountPoint, 'cgroup.controllers'))),
  );
}

/** A controller that could not be handed down, and what the kernel said. */
export interface Withheld {
  readonly controller: Controller;
  /** null: it is not there at all. */
  readonly cause: unknown;
}

/** Our subtree: `open` makes it and enables controllers in it; `at` names cgroups below it. */
export class CgroupRoot {
  readonly hierarchy: Hierarchy;
  /** Path below the cgroup2 mount, e.g. `/domctl`. */
  readonly path: string;

  private constructor(hierarchy: Hierarchy, path: string) {
    this.hierarchy = hierarchy;
    this.path = path;
  }

  static async open(hierarchy: Hierarchy, path: string): Promise<CgroupRoot> {
    const root = new CgroupRoot(hierarchy, path);
    try {
      await root.leaveForLeaf();
      await root.makeAncestors();
    } catch (error) {
      if (isErrno(error, 'EROFS')) throw readOnly(hierarchy.mount.mountPoint);
      if (isErrno(error, 'EACCES', 'EPERM')) throw notDelegated(path, error);
      if (isErrno(error, 'EBUSY')) throw inhabited(error);
      throw error;
    }
    return root;
  }

  /** The cgroup `names` below the root; it need not exist. */
  at(...names: readonly string[]): Cgroup {
    return cgroupAt(this.hierarchy, join(this.path, ...names));
  }

  /** Makes `names` below the root as a place for children: no process of its own, controllers handed down. */
  async makeBranch(...names: readonly string[]): Promise<Cgroup> {
    const branch = this.at(...names);
    await makeUnlessThere(branch.directory);
    if (branch.twinDirectory) await makeUnlessThere(branch.twinDirectory);
    await enableControllers(branch.directory);
    return branch;
  }

  /** Started in the root itself, as in a delegated unit: this process alone goes to a leaf, or nothing could be handed down. */
  private async leaveForLeaf(): Promise<void> {
    if (readOwnCgroup() !== this.path) return;
    const leaf = this.at(leafName).directory;
    await makeUnlessThere(leaf);
    await writeCgroupFile(join(leaf, 'cgroup.procs'), String(process.pid));
  }

  /** Controllers of this host's cgroup v2; on hybrid hosts those that v1 has not taken. */
  controllers(): string[] {
    return parseWords(readCgroupFile(join(this.hierarchy.mount.mountPoint, 'cgroup.controllers')));
  }

  /**
   * Hands controllers down to the children of `names` below the root, all the way from the top, for those who need them:
   * nobody else pays for them. Returns those that do not arrive there.
   */
  async handDown(controllers: readonly Controller[], ...names: readonly string[]): Promise<Withheld[]> {
    const branch = this.at(...names);
    const withheld: Withheld[] = [];
    for (const controller of controllers) {
      let cause: unknown = null;
      for (const path of ['/', ...pathsTo(branch.path)])
        await enableControllers(join(this.hierarchy.mount.mountPoint, path), [controller]).catch((error: unknown) => {
          cause = error;
        });
      const arrived = parseWords(readCgroupFile(join(branch.directory, 'cgroup.subtree_control'))).includes(controller);
      if (!arrived) withheld.push({ controller, cause });
    }
    return withheld;
  }

  private async makeAncestors(): Promise<void> {
    await enableControllers(this.hierarchy.mount.mountPoint);
    for (const partial of pathsTo(this.path)) {
      await makeUnlessThere(join(this.hierarchy.mount.mountPoint, partial));
      if (this.hierarchy.kind === 'hybrid') await makeUnlessThere(join(this.hierarchy.memory.mountPoint, partial));
      await enableControllers(join(this.hierarchy.mount.mountPoint, partial));
    }
  }
}

/** The cgroup at `path` below the mount, whoever made it; it need not exist. */
export function cgroupAt(hierarchy: Hierarchy, path: string): Cgroup {
  const directory = join(hierarchy.mount.mountPoint, path);
  const twin = hierarchy.kind === 'hybrid' ? join(hierarchy.memory.mountPoint, path) : null;
  return new Cgroup({ path, directory, twinDirectory: twin });
}

/** Path of this process's cgroup v2; null: in none. */
function readOwnCgroup(): string | null {
  return /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? null;
}

/** `/a`, `/a/b`, `/a/b/c` for `/a/b/c`. */
function pathsTo(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return parts.map((_, index) => join('/', ...parts.slice(0, index + 1)));
}

async function makeUnlessThere(directory: string): Promise<void> {
  await makeCgroup(directory).catch((error: unknown) => {
    if (!isErrno(error, 'EEXIST')) throw error;
  });
}

/** Hands the wanted controllers this cgroup has down to its children; those already enabled are not written again. */
async function enableControllers(directory: string, wanted: readonly string[] = wantedControllers): Promise<void> {
  const offered = parseWords(readCgroupFile(join(directory, 'cgroup.controllers')));
  const enabled = parseWords(readCgroupFile(join(directory, 'cgroup.subtree_control')));
  const missing = wanted.filter((name) => offered.includes(name) && !enabled.includes(name));
  if (missing.length === 0) return;
  const words = missing.map((name) => `+${name}`).join(' ');
  await writeCgroupFile(join(directory, 'cgroup.subtree_control'), words).catch((error: unknown) => {
    // Above a delegated place it is for others to say what is handed down; a host may do without all but memory.
    if (missing.includes('memory') || !isErrno(error, 'EACCES', 'EPERM')) throw error;
  });
}

function lacks(what: string, remedy: string): DomctlError {
  return new DomctlError('HOST_LACKS', `this host lacks a feature: ${what}`, { hint: remedy });
}

function readOnly(mountPoint: string): DomctlError {
  return new DomctlError('HOST_LACKS', `the cgroup file system at ${mountPoint} is read-only`, {
    hint: 'in a container: run it with --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw',
  });
}

/** cgroup v2: a cgroup with processes of its own, unless it is the very root, hands no controller down. */
function inhabited(cause: unknown): DomctlError {
  const where = cause instanceof KernelError && cause.path !== null ? dirname(cause.path) : 'above ours';
  return new DomctlError('HOST_LACKS', `the cgroup ${where} has processes of its own and can hand no controller down`, {
    hint: 'name a place without processes above it in DOMCTL_CGROUP_ROOT; in a container: run it with --cgroupns=host',
    cause,
  });
}

function notDelegated(path: string, cause: unknown): DomctlError {
  return new DomctlError('HOST_LACKS', `the cgroup ${path} may not be made by this user`, {
    hint: 'run the daemon as root, or give its user a delegated subtree (systemd: Delegate=yes) and name it in DOMCTL_CGROUP_ROOT',
    cause,
  });
}
