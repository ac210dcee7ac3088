/** Reads what the program and the kernel are able to do, by trying it. */
import { readdirSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { release } from 'node:os';
import { join } from 'node:path';
import { ownCgroupDirectory } from '../../../cgroups/survey.ts';
import type * as Native from '../../../native/index.ts';
import { asDomctlError, KernelError, messageOf } from '../../errors.ts';
import { known, type Reading, unknown } from '../../reading.ts';
import { version } from '../../version.ts';
import type { Failure, KernelReadings, ProgramReadings } from '../readings.ts';
import { attempt, readText } from './attempt.ts';

/** The addon, or why it does not load: it is loaded here first, when nothing depends on it yet. */
export async function loadAddon(): Promise<typeof Native | Failure> {
  try {
    return await import('../../../native/index.ts');
  } catch (error) {
    const { message, hint } = asDomctlError(error);
    return { message: message.split('\n')[0] ?? message, hint };
  }
}

export function readProgram(addon: typeof Native | Failure): ProgramReadings {
  return {
    version,
    nodeVersion: process.versions.node,
    uid: process.getuid?.() ?? 0,
    addon: 'message' in addon ? addon : null,
  };
}

export async function readKernel(addon: typeof Native | Failure): Promise<KernelReadings> {
  const missing = unknown('the native addon does not load');
  return {
    release: release(),
    pidfd: 'message' in addon ? missing : tryPidfd(addon),
    birth: 'message' in addon ? missing : await tryBirth(addon),
    init: {
      name: attempt(() => readText('/proc/1/comm')),
      zombies: attempt(countZombies),
    },
  };
}

function tryPidfd(native: typeof Native): Reading<string | null> {
  try {
    native.closeFd(native.pidfdOpen(process.pid));
    return known(null);
  } catch (error) {
    return known(error instanceof KernelError ? error.code : messageOf(error));
  }
}

/** Born in our own cgroup, where it changes nothing; /proc/self/exe --version ends by itself. */
async function tryBirth(native: typeof Native): Promise<Reading<string | null>> {
  const directory = ownCgroupDirectory();
  if (!directory.known) return directory;
  try {
    await using cgroup = await open(directory.value, 'r');
    await using nothing = await open('/dev/null', 'r+');
    const { pidfd } = native.spawn({
      file: process.execPath,
      argv: [process.execPath, '--version'],
      env: {},
      cwd: '/',
      stdin: nothing.fd,
      stdout: nothing.fd,
      stderr: nothing.fd,
      extraFds: [],
      cgroupFd: cgroup.fd,
      joinFds: [],
      credentials: null,
      rlimits: [],
    });
    await new Promise<void>((resolve) => native.watchPidfd(pidfd, () => resolve()));
    native.closeFd(pidfd);
    return known(null);
  } catch (error) {
    return judgeBirth(error);
  }
}

/** Our own cgroup may simply not be ours to be born in: that says nothing of the kernel. */
function judgeBirth(error: unknown): Reading<string | null> {
  if (!(error instanceof KernelError)) return unknown(messageOf(error));
  const said = `${error.syscall}: ${error.code}`;
  const notOurs = ['EACCES', 'EROFS'].includes(error.code) || (error.code === 'EPERM' && process.getuid?.() !== 0);
  return notOurs ? unknown(`it cannot be tried in the cgroup we are in (${said})`) : known(said);
}

/** State and parent are the first two fields after the name in parentheses. */
function countZombies(): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    const stat = attempt(() => readFileSync(join('/proc', pid, 'stat'), 'utf8'));
    if (!stat.known) return false;
    const [state, parent] = stat.value.slice(stat.value.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' && parent === '1';
  }).length;
}
