/** Where things are: directories by environment or user, the package's own files, the socket. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DomctlError } from './errors.ts';

export interface Places {
  readonly configDir: string;
  readonly stateDir: string;
  readonly runtimeDir: string;
  readonly logDir: string;
  /** Path below the cgroup2 mount. */
  readonly cgroupRoot: string;
  /** Where the daemons that share this host's memory tell each other what they promised. */
  readonly promisesDir: string;
}

/** Each place with the environment variable (and, in lower case with dashes, the flag) that moves it. */
export const placeVariables = {
  configDir: 'DOMCTL_CONFIG_DIR',
  stateDir: 'DOMCTL_STATE_DIR',
  runtimeDir: 'DOMCTL_RUNTIME_DIR',
  logDir: 'DOMCTL_LOG_DIR',
  cgroupRoot: 'DOMCTL_CGROUP_ROOT',
  promisesDir: 'DOMCTL_PROMISES_DIR',
} as const satisfies Record<keyof Places, string>;

/** The places for this user; root's are the system's, others follow the XDG base directories. Throws USAGE for a relative one. */
export function findPlaces(env: Readonly<Record<string, string | undefined>> = process.env): Places {
  const defaults = process.getuid?.() === 0 ? systemPlaces : userPlaces(env);
  const chosen = { ...defaults };
  for (const key of Object.keys(placeVariables) as (keyof Places)[]) {
    const value = env[placeVariables[key]];
    if (value === undefined || value === '') continue;
    if (!value.startsWith('/'))
      throw new DomctlError('USAGE', `${placeVariables[key]}: '${value}' is not an absolute path`);
    chosen[key] = resolve(value);
  }
  return chosen;
}

/** The environment that gives another program the same places. */
export function placesEnvironment(places: Places): Record<string, string> {
  const keys = Object.keys(placeVariables) as (keyof Places)[];
  return Object.fromEntries(keys.map((key) => [placeVariables[key], places[key]]));
}

export const systemPlaces: Places = {
  configDir: '/etc/domctl',
  stateDir: '/var/lib/domctl',
  runtimeDir: '/run/domctl',
  logDir: '/var/log/domctl',
  cgroupRoot: '/domctl',
  promisesDir: '/run/domctl-promises',
};

function userPlaces(env: Readonly<Record<string, string | undefined>>): Places {
  const home = homedir();
  const uid = process.getuid?.() ?? 0;
  /** The XDG base directory specification: what is empty or relative is to be ignored. */
  const base = (name: string, otherwise: string): string => {
    const value = env[name];
    return join(value?.startsWith('/') ? value : otherwise, 'domctl');
  };
  const stateDir = base('XDG_STATE_HOME', join(home, '.local/state'));
  const runtimeDir = base('XDG_RUNTIME_DIR', `/run/user/${uid}`);
  return {
    configDir: base('XDG_CONFIG_HOME', join(home, '.config')),
    stateDir,
    runtimeDir,
    logDir: join(stateDir, 'log'),
    cgroupRoot: `/domctl-${uid}`,
    promisesDir: `${runtimeDir}-promises`,
  };
}

/** sockaddr_un holds 108 bytes, the last one zero. */
const longestSocketPath = 107;

/** The daemon's socket. Throws USAGE where the path is too long for one. */
export function socketPath(places: Places): string {
  return checkSocketPath(join(places.runtimeDir, 'domctld.sock'));
}

/** The socket beside it that is for questions alone. */
export function readOnlySocketPath(places: Pick<Places, 'runtimeDir'>): string {
  return checkSocketPath(join(places.runtimeDir, 'domctld-ro.sock'));
}

export function checkSocketPath(path: string): string {
  if (Buffer.byteLength(path) <= longestSocketPath) return path;
  throw new DomctlError('USAGE', `${path}: too long for a socket (${longestSocketPath} bytes at most)`, {
    hint: 'choose a shorter DOMCTL_RUNTIME_DIR',
  });
}

/** The package's own directory: the nearest one above this file that holds the shipped policies. */
export function packageDir(): string {
  for (let dir = dirname(fileURLToPath(import.meta.url)); ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'policies/host.yaml'))) return dir;
    if (dir === '/')
      throw new DomctlError('FAILED', 'the shipped policies are missing: this installation of domctl is not whole');
  }
}
