import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  checkSocketPath,
  findPlaces,
  packageDir,
  placesEnvironment,
  placeVariables,
  socketPath,
} from '../../lib/places.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** The places as a user of that id finds them. */
function placesOf(uid: number, env: Record<string, string> = {}): ReturnType<typeof findPlaces> {
  vi.spyOn(process as { getuid(): number }, 'getuid').mockReturnValue(uid);
  return findPlaces(env);
}

describe("root's places", () => {
  test("are the system's", () => {
    expect(placesOf(0)).toEqual({
      configDir: '/etc/domctl',
      stateDir: '/var/lib/domctl',
      runtimeDir: '/run/domctl',
      logDir: '/var/log/domctl',
      cgroupRoot: '/domctl',
      promisesDir: '/run/domctl-promises',
    });
  });

  test('do not follow XDG', () => {
    expect(placesOf(0, { XDG_STATE_HOME: '/x', XDG_CONFIG_HOME: '/x', XDG_RUNTIME_DIR: '/x' })).toEqual(placesOf(0));
  });
});

describe("another user's places", () => {
  test('follow XDG', () => {
    expect(placesOf(1000, { XDG_STATE_HOME: '/s', XDG_CONFIG_HOME: '/c', XDG_RUNTIME_DIR: '/r' })).toEqual({
      configDir: '/c/domctl',
      stateDir: '/s/domctl',
      runtimeDir: '/r/domctl',
      logDir: '/s/domctl/log',
      cgroupRoot: '/domctl-1000',
      promisesDir: '/r/domctl-promises',
    });
  });

  const defaults = () => ({
    configDir: join(homedir(), '.config/domctl'),
    stateDir: join(homedir(), '.local/state/domctl'),
    runtimeDir: '/run/user/1000/domctl',
    logDir: join(homedir(), '.local/state/domctl/log'),
    cgroupRoot: '/domctl-1000',
    promisesDir: '/run/user/1000/domctl-promises',
  });

  test('have the defaults of XDG', () => {
    expect(placesOf(1000)).toEqual(defaults());
  });

  /** XDG Base Directory Specification: "either not set or empty"; relative paths are invalid and to be ignored. */
  test.each(['', 'relative/dir'])('take no XDG directory from %j', (value) => {
    expect(placesOf(1000, { XDG_STATE_HOME: value, XDG_CONFIG_HOME: value, XDG_RUNTIME_DIR: value })).toEqual(
      defaults(),
    );
  });
});

describe('a moved place', () => {
  const moved = {
    DOMCTL_CONFIG_DIR: '/a',
    DOMCTL_STATE_DIR: '/b',
    DOMCTL_RUNTIME_DIR: '/c',
    DOMCTL_LOG_DIR: '/d',
    DOMCTL_CGROUP_ROOT: '/e',
    DOMCTL_PROMISES_DIR: '/f',
  };

  test.each([0, 1000])('is where the environment says, for user %d', (uid) => {
    expect(placesOf(uid, moved)).toEqual({
      configDir: '/a',
      stateDir: '/b',
      runtimeDir: '/c',
      logDir: '/d',
      cgroupRoot: '/e',
      promisesDir: '/f',
    });
  });

  test('moves alone, and an empty variable moves nothing', () => {
    expect(placesOf(0, { DOMCTL_LOG_DIR: '/d', DOMCTL_STATE_DIR: '' })).toEqual({ ...placesOf(0), logDir: '/d' });
  });

  test('is freed of dots', () => {
    expect(placesOf(0, { DOMCTL_CGROUP_ROOT: '/a/../../b//c/' }).cgroupRoot).toBe('/b/c');
  });

  test.each(Object.values(placeVariables))('must be absolute: %s', (variable) => {
    expect(() => placesOf(0, { [variable]: 'here' })).toThrow(
      expect.objectContaining({ code: 'USAGE', message: `${variable}: 'here' is not an absolute path` }),
    );
  });

  test('is handed to another program as it is', () => {
    const places = placesOf(1000, { ...moved, DOMCTL_LOG_DIR: '' });
    expect(placesOf(0, placesEnvironment(places))).toEqual(places);
  });
});

describe('a socket path', () => {
  test('lies in the runtime directory', () => {
    expect(socketPath(placesOf(0))).toBe('/run/domctl/domctld.sock');
  });

  test('has 107 bytes at most, since the kernel wants a zero after it', () => {
    const longest = `/${'x'.repeat(106)}`;
    expect(checkSocketPath(longest)).toBe(longest);
    expect(() => checkSocketPath(`${longest}y`)).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(() => checkSocketPath(`/${'ü'.repeat(54)}`)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('the package', () => {
  test('is where the shipped policies are', () => {
    expect(existsSync(join(packageDir(), 'policies/schema.json'))).toBe(true);
  });
});
