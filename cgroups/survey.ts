/**
 * What can be read of this host's cgroups without changing anything: mounts, controllers, and whether the place our
 * subtree would hang in may be written. Facts for the doctor; what they mean is judged there.
 */
import { accessSync, constants, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isErrno, messageOf } from '../lib/errors.ts';
import { known, type Reading, unknown } from '../lib/reading.ts';
import { listCgroup, readCgroupFile } from './files.ts';
import { detectHierarchy, type Hierarchy } from './hierarchy.ts';
import { parseCgroupMounts, parseProcs, parseWords } from './parse.ts';

/** Facts about cgroups, each as it was read. */
export interface CgroupSurvey {
  /** /proc/self/mountinfo. */
  readonly mountinfo: string;
  /** cgroup.controllers of each cgroup v2 mount, by mount point. */
  readonly controllers: Readonly<Record<string, readonly string[]>>;
  /** Our own cgroup v2, as /proc/self/cgroup says; null without one. */
  readonly own: string | null;
  /** Where our subtree would hang; null where no usable hierarchy was found. */
  readonly place: PlaceSurvey | null;
}

/** The place of our subtree: the cgroup itself where it is there, else the nearest one above. Paths are below the mount. */
export interface PlaceSurvey {
  readonly wanted: string;
  readonly nearest: string;
  /** Whether we may make cgroups in `nearest`, and hand controllers down from it. */
  readonly writable: Reading<boolean>;
  /** The same of the v1 memory twin; null on unified hosts. */
  readonly twinWritable: Reading<boolean> | null;
  /** cgroup.controllers of `nearest`. */
  readonly offered: Reading<readonly string[]>;
  /** Processes in `nearest` itself, which keep it from handing controllers down; the very root may have some. */
  readonly inhabitants: Reading<number>;
  /** A child born there comes from our own cgroup: the nearest one above both, and whether its cgroup.procs may be written. */
  readonly common: { readonly path: string; readonly writable: Reading<boolean> };
  /** Whether cgroups have `cgroup.kill`; unknown where there is none but the very root, which never has it. */
  readonly kill: Reading<boolean>;
}

/** The facts as of now, for a subtree at `wanted`, a path below the mount. Nothing is written. */
export function surveyCgroups(wanted: string): CgroupSurvey {
  const survey = surveyOwn();
  const hierarchy = usable(survey);
  const { own } = survey;
  return { ...survey, place: hierarchy && surveyPlace(hierarchy, wanted, own ?? '/') };
}

/** Pure: the hierarchy the facts describe. Throws HOST_LACKS with the remedy. */
export function hierarchyOf({ mountinfo, controllers }: Omit<CgroupSurvey, 'own' | 'place'>): Hierarchy {
  return detectHierarchy(mountinfo, ({ mountPoint }) => controllers[mountPoint] ?? []);
}

/** The directory of the cgroup v2 this process is in. */
export function ownCgroupDirectory(): Reading<string> {
  return attempt(() => {
    const { mountinfo, controllers, own } = surveyOwn();
    return join(hierarchyOf({ mountinfo, controllers }).mount.mountPoint, own ?? '/');
  });
}

function surveyOwn(): Pick<CgroupSurvey, 'mountinfo' | 'controllers' | 'own'> {
  const mountinfo = readFileSync('/proc/self/mountinfo', 'utf8');
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? null;
  return { mountinfo, own, controllers: readControllers(mountinfo) };
}

function usable(survey: Omit<CgroupSurvey, 'own' | 'place'>): Hierarchy | null {
  try {
    return hierarchyOf(survey);
  } catch {
    return null;
  }
}

function readControllers(mountinfo: string): Record<string, readonly string[]> {
  const unified = parseCgroupMounts(mountinfo).filter(({ version }) => version === 2);
  const entries = unified.map(({ mountPoint }): [string, readonly string[]] => {
    const words = attempt(() => parseWords(readCgroupFile(join(mountPoint, 'cgroup.controllers'))));
    return [mountPoint, words.known ? words.value : []];
  });
  return Object.fromEntries(entries);
}

function surveyPlace(hierarchy: Hierarchy, wanted: string, own: string): PlaceSurvey {
  const { mountPoint } = hierarchy.mount;
  const nearest = nearestCgroup(mountPoint, wanted);
  const directory = join(mountPoint, nearest);
  const common = commonAncestor(own, nearest);
  return {
    wanted,
    nearest,
    writable: mayWrite(directory),
    twinWritable: hierarchy.kind === 'hybrid' ? mayWrite(nearestDirectory(hierarchy.memory.mountPoint, wanted)) : null,
    offered: attempt(() => parseWords(readCgroupFile(join(directory, 'cgroup.controllers')))),
    inhabitants: attempt(() => parseProcs(readCgroupFile(join(directory, 'cgroup.procs'))).length),
    common: { path: common, writable: mayWrite(join(mountPoint, common, 'cgroup.procs')) },
    kill: hasKill(mountPoint),
  };
}

/** A cgroup at or above `wanted` that is there; at the last the mount itself. */
function nearestCgroup(mountPoint: string, wanted: string): string {
  return isThere(join(mountPoint, wanted)) || wanted === '/' ? wanted : nearestCgroup(mountPoint, dirname(wanted));
}

function nearestDirectory(mountPoint: string, wanted: string): string {
  return join(mountPoint, nearestCgroup(mountPoint, wanted));
}

function isThere(path: string): boolean {
  try {
    accessSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Pure: the deepest cgroup that has both below it, or is one of them. */
function commonAncestor(a: string, b: string): string {
  const [left, right] = [a, b].map((path) => path.split('/').filter((part) => part !== ''));
  const parts = left ?? [];
  const differs = parts.findIndex((part, index) => part !== right?.[index]);
  return `/${(differs < 0 ? parts : parts.slice(0, differs)).join('/')}`;
}

/** The kernel's own answer for this user, read-only mounts included. */
function mayWrite(path: string): Reading<boolean> {
  try {
    accessSync(path, constants.W_OK);
    return known(true);
  } catch (error) {
    return isErrno(error, 'EACCES', 'EPERM', 'EROFS') ? known(false) : unknown(messageOf(error));
  }
}

function hasKill(mountPoint: string): Reading<boolean> {
  const children = attempt(() => listCgroup(mountPoint).directories);
  if (!children.known) return children;
  const [first] = children.value;
  if (first === undefined) return unknown('there is no cgroup but the root yet');
  return attempt(() => listCgroup(join(mountPoint, first)).files.includes('cgroup.kill'));
}

function attempt<T>(read: () => T): Reading<T> {
  try {
    return known(read());
  } catch (error) {
    return unknown(messageOf(error));
  }
}
