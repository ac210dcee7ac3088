/** Hosts for the doctor: one recorded, the others it with the cgroups of another, from `fixtures/cgroup-trees`. */
import { readFileSync } from 'node:fs';
import type { CgroupSurvey, PlaceSurvey } from '../../../cgroups/survey.ts';
import type { HostReadings } from '../../../lib/doctor/readings.ts';
import { known } from '../../../lib/reading.ts';

const fixtures = new URL('../../fixtures/', import.meta.url);

export function fixture(path: string): string {
  return readFileSync(new URL(path, fixtures), 'utf8');
}

/** Recorded as root on a hybrid host. */
export const hybrid = JSON.parse(fixture('hosts/hybrid.json')) as HostReadings;

const mount = '/sys/fs/cgroup';
const controllers = fixture('cgroup-trees/unified-6.12/running/cgroup.controllers').trim().split(' ');

const rootPlace: PlaceSurvey = {
  wanted: '/domctl',
  nearest: '/',
  writable: known(true),
  twinWritable: null,
  offered: known(controllers),
  inhabitants: known(90),
  common: { path: '/', writable: known(true) },
  kill: known(true),
};

function withCgroups(mountinfo: string, place: PlaceSurvey | null): CgroupSurvey {
  return { mountinfo: fixture(`cgroup-trees/${mountinfo}`), controllers: { [mount]: controllers }, own: '/', place };
}

/** A Debian 12 with cgroup v2 alone, root. */
export const unified: HostReadings = { ...hybrid, cgroups: withCgroups('unified-6.12/mountinfo.txt', rootPlace) };

/** The same, an ordinary user in a session that systemd delegated nothing to. */
export const rootless: HostReadings = {
  ...unified,
  program: { ...unified.program, uid: 1000 },
  cgroups: {
    ...withCgroups('unified-6.12/mountinfo.txt', {
      ...rootPlace,
      wanted: '/domctl-1000',
      writable: known(false),
      common: { path: '/', writable: known(false) },
    }),
    own: '/user.slice/user-1000.slice/session-3.scope',
  },
};

/** The same user with a delegated subtree and a process of its own inside: the systemd drop-in and systemd-run --user. */
export const delegated: HostReadings = {
  ...rootless,
  cgroups: {
    ...rootless.cgroups,
    own: '/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope',
    place: {
      ...rootPlace,
      wanted: '/user.slice/user-1000.slice/user@1000.service/domctl',
      nearest: '/user.slice/user-1000.slice/user@1000.service',
      offered: known(['cpu', 'cpuset', 'io', 'memory', 'pids']),
      inhabitants: known(0),
      common: { path: '/user.slice/user-1000.slice/user@1000.service', writable: known(true) },
    },
  },
};

/** Root in a container whose cgroups are read-only. */
export const container: HostReadings = { ...hybrid, cgroups: withCgroups('container-readonly.mountinfo', null) };
