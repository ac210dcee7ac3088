/** How every program of an incarnation is born: in its cgroup, with the log for its output, no descriptor but the given. */
import { open } from 'node:fs/promises';
import { devNull } from 'node:os';
import { type SpawnRequest, spawn } from '../../native/index.ts';
import type { ProcessIdentity } from '../domain/incarnation.ts';
import { readProcess } from '../host/processes.ts';
import type { User } from '../host/users.ts';
import { logFile } from './runtime-files.ts';
import type { Supervisor } from './supervisor.ts';

export interface HypervisorUser extends User {
  readonly groups: readonly number[];
}

/** A program to run; `user` null: the daemon's own. */
export interface Newborn {
  /** argv[0] is its absolute path. */
  readonly argv: readonly string[];
  readonly user: HypervisorUser | null;
  /** Become 3, 4, ... in it. */
  readonly extraFds?: readonly number[];
  /** Beside the little that every program gets. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Of locked memory none is refused to it. */
  readonly unlimitedMemlock?: boolean;
  /** It gives up by itself what it does not need. */
  readonly keepCapabilities?: boolean;
}

/** A living program; the pidfd is the caller's to close. */
export interface Born {
  readonly identity: ProcessIdentity;
  readonly pidfd: number;
}

const leastEnvironment = { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/' };
const noCore = { name: 'core', soft: 0, hard: 0 } as const;
const anyMemlock = { name: 'memlock', soft: Infinity, hard: Infinity } as const;

/** Runs it; resolves once it does. Throws KernelError. */
export async function bear(supervisor: Supervisor, newborn: Newborn): Promise<Born> {
  const { launch, services, cgroup } = supervisor;
  services.log.info({ domain: launch.domain, incarnation: launch.id, argv: newborn.argv });
  await using input = await open(devNull, 'r');
  await using output = await open(logFile(services.places, launch.domain), 'a');
  const birthPlace = await cgroup.openBirthPlace();
  try {
    const { cgroupFd, joinFds } = birthPlace;
    const stdio = { stdin: input.fd, stdout: output.fd, stderr: output.fd };
    const { pid, pidfd } = spawn({ ...requestOf(newborn), ...stdio, cgroupFd, joinFds });
    return { identity: readProcess(pid)?.identity ?? { pid, startTicks: 0 }, pidfd };
  } finally {
    await birthPlace.close();
  }
}

function requestOf({
  argv,
  user,
  extraFds = [],
  environment = {},
  unlimitedMemlock = false,
  keepCapabilities = false,
}: Newborn): Omit<SpawnRequest, 'stdin' | 'stdout' | 'stderr' | 'cgroupFd' | 'joinFds'> {
  return {
    file: argv[0] ?? '',
    argv,
    env: { ...leastEnvironment, ...environment },
    cwd: '/',
    extraFds,
    credentials: user,
    keepCapabilities,
    rlimits: unlimitedMemlock ? [noCore, anyMemlock] : [noCore],
  };
}
