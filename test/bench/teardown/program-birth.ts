/** Programs of others, born as nobody in a cgroup of their own. */
import { chownSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupRoot } from '../../../cgroups/hierarchy.ts';
import type { Cgroup } from '../../../cgroups/cgroup.ts';
import { closeFd, spawn, type Spawned, watchPidfd } from '../../../native/index.ts';
import { findPreloadLibrary } from '../../../native/preload.ts';
import { until } from './contender.ts';
import { atEnd, goOn } from '../ending.ts';
import { nobody } from './guest.ts';

export interface Place {
  readonly root: CgroupRoot;
  readonly scratch: string;
  readonly stopwatch: string;
}

export type Environment = Readonly<Record<string, string>>;

export function preloading(program: string, more: Environment = {}): Environment {
  return { LD_PRELOAD: findPreloadLibrary() ?? '', ASYNC_TEARDOWN_PROGRAM: program, ...more };
}

export interface Newborn extends Spawned {
  readonly ended: Promise<void>;
}

/** Spawns a program as nobody, in a new cgroup; what it prints goes to `outputs`, quiet where null. */
export async function bear(
  cgroup: Cgroup,
  program: { readonly argv: readonly string[]; readonly env: Environment },
  outputs: { readonly stdout: number | null; readonly stderr: number },
): Promise<Newborn> {
  await cgroup.create();
  const birth = await cgroup.openBirthPlace();
  const quiet = openSync('/dev/null', 'r+');
  const spawned = spawn({
    file: program.argv[0]!,
    ...program,
    cwd: '/',
    stdin: quiet,
    stdout: outputs.stdout ?? quiet,
    stderr: outputs.stderr,
    extraFds: [],
    cgroupFd: birth.cgroupFd,
    joinFds: birth.joinFds,
    credentials: { uid: nobody, gid: nobody, groups: [] },
    rlimits: [],
  });
  await birth.close();
  closeFd(quiet);
  return { ...spawned, ended: new Promise((resolve) => void watchPidfd(spawned.pidfd, () => resolve())) };
}

export interface Running extends Newborn {
  remove(): Promise<void>;
}

let started = 0;

/** As nobody, in a cgroup of its own, which goes once all in it is gone. */
export async function run({ root, scratch }: Place, argv: readonly string[], env: Environment): Promise<Running> {
  goOn();
  started += 1;
  const cgroup = root.at(`program-${started}`);
  const log = openSync(join(scratch, 'programs.log'), 'a');
  const newborn = await bear(
    cgroup,
    { argv, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', ...env } },
    { stdout: log, stderr: log },
  );
  closeFd(log);
  const remove = async (): Promise<void> => {
    await until(
      'its cgroup is empty',
      async () =>
        cgroup.remove().then(
          () => true,
          () => false,
        ),
      20,
    );
  };
  atEnd(async () => {
    if (cgroup.exists().known && cgroup.populated().known) await cgroup.kill().then(remove, () => undefined);
  });
  return { ...newborn, remove };
}

/** Where the program may write. */
export function ownedDirectory(scratch: string, name: string): string {
  const directory = join(scratch, name);
  if (!existsSync(directory)) mkdirSync(directory);
  chownSync(directory, nobody, nobody);
  return directory;
}
