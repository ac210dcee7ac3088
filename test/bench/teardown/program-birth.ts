/** Programs of others, born as nobody in a cgroup of their own. */
import { chownSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupRoot } from '../../../cgroups/hierarchy.ts';
import { closeFd, spawn, type Spawned, watchPidfd } from '../../../native/index.ts';
import { findPreloadLibrary } from '../../../native/preload.ts';
import { until } from './contender.ts';
import { atEnd, goOn } from './ending.ts';
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

export interface Running extends Spawned {
  readonly ended: Promise<void>;
  remove(): Promise<void>;
}

let started = 0;

/** As nobody, in a cgroup of its own, which goes once all in it is gone. */
export async function run({ root, scratch }: Place, argv: readonly string[], env: Environment): Promise<Running> {
  goOn();
  started += 1;
  const cgroup = root.at(`program-${started}`);
  await cgroup.create();
  const birth = await cgroup.openBirthPlace();
  const quiet = openSync('/dev/null', 'r+');
  const log = openSync(join(scratch, 'programs.log'), 'a');
  const spawned = spawn({
    file: argv[0]!,
    argv,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', ...env },
    cwd: '/',
    stdin: quiet,
    stdout: log,
    stderr: log,
    extraFds: [],
    cgroupFd: birth.cgroupFd,
    joinFds: birth.joinFds,
    credentials: { uid: nobody, gid: nobody, groups: [] },
    rlimits: [],
  });
  await birth.close();
  closeFd(quiet);
  closeFd(log);
  const ended = new Promise<void>((resolve) => void watchPidfd(spawned.pidfd, () => resolve()));
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
  return { ...spawned, ended, remove };
}

/** Where the program may write. */
export function ownedDirectory(scratch: string, name: string): string {
  const directory = join(scratch, name);
  if (!existsSync(directory)) mkdirSync(directory);
  chownSync(directory, nobody, nobody);
  return directory;
}
