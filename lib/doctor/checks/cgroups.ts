/** The cgroup hierarchy, the place of our subtree in it, and the controllers it is offered. */
import type { Hierarchy } from '../../../cgroups/hierarchy.ts';
import { hierarchyOf, type PlaceSurvey } from '../../../cgroups/survey.ts';
import { asDomctlError } from '../../errors.ts';
import { type Finding, fail, judge, pass, warn } from '../finding.ts';
import type { HostReadings } from '../readings.ts';

/** Controllers for `<cputune>`, `<blkiotune>` and a limit on processes; memory and hugetlb are judged apart. */
const tuning = ['cpu', 'cpuset', 'io', 'pids'] as const;

export function checkCgroups(host: HostReadings): Finding[] {
  const { cgroups, program } = host;
  try {
    const hierarchy = hierarchyOf(cgroups);
    const place = cgroups.place;
    const head = pass('hierarchy', describe(hierarchy, cgroups.mountinfo));
    return place ? [head, ...placeFindings(hierarchy, place, host, program.uid)] : [head];
  } catch (error) {
    const { message, hint } = asDomctlError(error);
    return [fail('hierarchy', message, hint ?? 'mount cgroup v2: mount -t cgroup2 none /sys/fs/cgroup')];
  }
}

function describe(hierarchy: Hierarchy, mountinfo: string): string {
  const { mountPoint } = hierarchy.mount;
  const mount = mountinfo.split('\n').find((line) => line.includes(` ${mountPoint} `) && line.includes(' - cgroup2 '));
  const delegation = mount?.includes('nsdelegate') === true ? ' (nsdelegate)' : '';
  if (hierarchy.kind === 'unified') return `unified, at ${mountPoint}${delegation}`;
  return `hybrid: processes in v2 at ${mountPoint}, memory read from v1 at ${hierarchy.memory.mountPoint}; limits of v1 are never written`;
}

function placeFindings(hierarchy: Hierarchy, place: PlaceSurvey, host: HostReadings, uid: number): Finding[] {
  return [
    writableFinding(hierarchy, place, uid),
    ...(uid === 0 ? [] : [moveFinding(place)]),
    inhabitantsFinding(place),
    memoryFinding(hierarchy, place, uid),
    hugetlbFinding(place, host),
    tuningFinding(hierarchy, place, uid),
  ];
}

function writableFinding(hierarchy: Hierarchy, place: PlaceSurvey, uid: number): Finding {
  const what = 'place of our cgroups';
  return judge(what, place.writable, (writable) => {
    if (!writable)
      return fail(what, `${place.wanted} may not be made in ${place.nearest}`, placeRemedy(hierarchy, uid));
    const twin = place.twinWritable;
    if (twin === null) return pass(what, `${place.wanted} may be made and used`);
    return judge(what, twin, (value) =>
      value
        ? pass(what, `${place.wanted} may be made and used, in v2 and in the v1 memory hierarchy`)
        : fail(what, `${place.wanted} may not be made in the v1 memory hierarchy`, placeRemedy(hierarchy, uid)),
    );
  });
}

function placeRemedy(hierarchy: Hierarchy, uid: number): string {
  if (uid === 0) return 'in a container: run it with --cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw';
  if (hierarchy.kind === 'hybrid')
    return 'run domctl as root: without root it needs unified cgroups (boot with systemd.unified_cgroup_hierarchy=1)';
  return [
    'run domctl as root, or have systemd delegate a subtree to this user: write /etc/systemd/system/user@.service.d/delegate.conf',
    '[Service]',
    'Delegate=cpu cpuset io memory pids',
    'then: systemctl daemon-reload; log in again; and name a place in that subtree:',
    `DOMCTL_CGROUP_ROOT=/user.slice/user-${uid}.slice/user@${uid}.service/domctl`,
  ].join('\n');
}

/** The kernel wants the right to write cgroup.procs of the cgroup above both (Documentation/admin-guide/cgroup-v2.rst, delegation). */
function moveFinding({ common, wanted }: PlaceSurvey): Finding {
  const what = 'birth in our cgroups';
  return judge(what, common.writable, (writable) =>
    writable
      ? pass(what, `this process may start others below ${wanted}`)
      : fail(
          what,
          `this process may start none below ${wanted}: ${common.path}, which is above both, is not delegated`,
          'start the daemon inside the delegated subtree: systemd-run --user --scope domctl daemon start',
        ),
  );
}

function inhabitantsFinding({ nearest, inhabitants }: PlaceSurvey): Finding {
  const what = 'handing controllers down';
  return judge(what, inhabitants, (count) =>
    count === 0 || nearest === '/'
      ? pass(what, `${nearest} can`)
      : fail(
          what,
          `${nearest} has ${count} processes of its own and cannot`,
          'name a place without processes above it in DOMCTL_CGROUP_ROOT; in a container: run it with --cgroupns=host',
        ),
  );
}

function memoryFinding(hierarchy: Hierarchy, { nearest, offered }: PlaceSurvey, uid: number): Finding {
  const what = 'memory controller';
  if (hierarchy.kind === 'hybrid') return pass(what, 'on v1, where memory is read; there is no brake but the freezer');
  return judge(what, offered, (names) =>
    names.includes('memory')
      ? pass(what, `offered in ${nearest}`)
      : fail(what, `not offered in ${nearest}: nothing held could be told`, delegationRemedy(uid)),
  );
}

function hugetlbFinding({ offered }: PlaceSurvey, { memory }: HostReadings): Finding {
  const what = 'hugetlb controller';
  const hasPools = memory.pools.known && memory.pools.value.some(({ pages }) => pages > 0);
  return judge(what, offered, (names) => {
    if (names.includes('hugetlb')) return pass(what, 'offered: huge pages of guests are counted');
    if (!hasPools) return pass(what, 'not offered; this host has no huge page pool that would need it');
    return warn(
      what,
      'not offered, and this host has huge page pools: huge pages of guests cannot be counted',
      'mount the hugetlb controller on v2: boot with cgroup_no_v1=hugetlb; systemd does not delegate it to users',
    );
  });
}

function tuningFinding(hierarchy: Hierarchy, { offered }: PlaceSurvey, uid: number): Finding {
  const what = 'cpu, cpuset, io, pids controllers';
  return judge(what, offered, (names) => {
    const missing = tuning.filter((name) => !names.includes(name));
    if (missing.length === 0) return pass(what, 'offered');
    const remedy =
      hierarchy.kind === 'hybrid'
        ? 'boot with systemd.unified_cgroup_hierarchy=1 to have them on v2'
        : delegationRemedy(uid);
    return warn(what, `${missing.join(', ')} not offered on v2: limits by them cannot be set`, remedy);
  });
}

function delegationRemedy(uid: number): string {
  return uid === 0
    ? 'boot without cgroup_disable=, and let the cgroups above hand it down (cgroup.subtree_control)'
    : 'add it to Delegate= of user@.service: Delegate=cpu cpuset io memory pids';
}
