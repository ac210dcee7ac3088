/** When systemd starts the daemon, and how a daemon is seen without asking it. */
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isDaemonAlive, isManagedBySystemd } from '../../../lib/client/systemd.ts';
import { findPlaces, type Places } from '../../../lib/places.ts';
import { tryLockFile } from '../../../native/index.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'domctl-systemd-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

/** A host on which systemd runs, with the unit or without. */
function host(has: { booted: boolean; unit: boolean }) {
  const unitDirs = [join(directory, 'none'), join(directory, 'units')];
  mkdirSync(unitDirs[1]!, { recursive: true });
  if (has.unit) writeFileSync(join(unitDirs[1]!, 'domctld.service'), '');
  return { booted: has.booted ? directory : join(directory, 'none'), unitDirs };
}

function places(changed: Partial<Places> = {}, uid = 0): Places {
  vi.spyOn(process as { getuid(): number }, 'getuid').mockReturnValue(uid);
  return { ...findPlaces({}), ...changed };
}

describe('systemd starts the daemon', () => {
  const whole = { booted: true, unit: true };
  test.each<[why: string, is: boolean, places: () => Places, has: { booted: boolean; unit: boolean }]>([
    ['of the default places', true, places, whole],
    ['not where it is not the init', false, places, { booted: false, unit: true }],
    ['not without its unit', false, places, { booted: true, unit: false }],
    ['not of another state directory', false, () => places({ stateDir: '/elsewhere' }), whole],
    ['not of another cgroup root', false, () => places({ cgroupRoot: '/elsewhere' }), whole],
    ['not of another user', false, () => places({}, 1000), whole],
  ])('%s', (_why, is, of, has) => {
    expect(isManagedBySystemd(of(), host(has))).toBe(is);
  });
});

describe('a daemon', () => {
  test('is alive while it holds its lock, and only then', () => {
    const of = places({ stateDir: directory });
    expect(isDaemonAlive(of)).toBe(false);
    const fd = openSync(join(directory, 'domctld.lock'), 'a');
    expect(isDaemonAlive(of)).toBe(false);
    expect(tryLockFile(fd)).toBe(true);
    expect(isDaemonAlive(of)).toBe(true);
    closeSync(fd);
    expect(isDaemonAlive(of)).toBe(false);
  });
});
