/** The systemd units: systemd's own check finds nothing in them, and what keeps machines alive is in them. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { socketPath } from '../../../lib/places.ts';

const directory = fileURLToPath(new URL('../../../packaging/systemd/', import.meta.url));
const units = readdirSync(directory);
const textOf = (unit: string): string => readFileSync(join(directory, unit), 'utf8');
const analyze = '/usr/bin/systemd-analyze';
const why = existsSync(analyze) ? '' : ' (skipped: no systemd-analyze)';

describe('the units', () => {
  test.skipIf(why !== '')(`are what systemd-analyze verify accepts${why}`, () => {
    const installed = mkdtempSync(join(tmpdir(), 'domctl-units-'));
    for (const unit of units) writeFileSync(join(installed, unit), textOf(unit).replace(/@bindir@\/\w+/g, '/bin/true'));
    const paths = units.map((unit) => join(installed, unit));
    const { stdout, stderr } = spawnSync(analyze, ['verify', '--man=no', ...paths], { encoding: 'utf8' });
    rmSync(installed, { recursive: true });
    const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line.includes(installed));
    // Known from systemd 254 on.
    expect(complaints.filter((line) => !line.includes("'DelegateSubgroup'"))).toEqual([]);
  });

  test('end the daemon alone, never the machines beside it', () => {
    const service = textOf('domctld.service');
    for (const line of [
      'KillMode=process',
      'Delegate=yes',
      'DelegateSubgroup=daemon',
      'OOMPolicy=continue',
      'Type=notify',
    ])
      expect.soft(service.split('\n')).toContain(line);
    expect(service).not.toMatch(/^(RuntimeDirectory|PrivateTmp|PrivateDevices|ProtectHome|ProtectSystem)=/m);
  });

  test('listen where the command line looks', () => {
    const usual = {
      configDir: '',
      stateDir: '',
      runtimeDir: '/run/domctl',
      logDir: '',
      cgroupRoot: '',
      promisesDir: '',
    };
    expect(textOf('domctld.socket')).toContain(`ListenStream=${socketPath(usual)}\n`);
  });

  test('shut guests down before the daemon and what they need', () => {
    const after = /^After=(.*)$/m.exec(textOf('domctl-guests.service'))?.[1]?.split(' ');
    expect(after).toEqual(expect.arrayContaining(['domctld.service', 'network.target', 'remote-fs.target']));
    expect(textOf('domctld.service')).toMatch(/^Wants=domctl-guests\.service$/m);
  });
});
