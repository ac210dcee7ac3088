/** A host that dies at once and comes back: what domctl says of its machines then, from the disk alone. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { DomainEvent, DomainInfo, DomainRow } from '../../lib/client/contract.ts';
import { eventually } from '../e2e/facts.ts';
import { patient } from '../setup/slowness.ts';
import { describeLab, shellIn } from './commands.ts';
import { cgroupRoot, configure, defineIn, jsonIn, okIn } from './domctl.ts';
import { bootLab, type Lab } from './machine.ts';
import type { LabOptions } from './site.ts';

/** A disk that outlives the labs that use it, until the test ends. */
function hostWithDisk(): LabOptions {
  const directory = mkdtempSync(join(tmpdir(), 'domctl-reboot-'));
  onTestFinished(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  return { scratchFile: join(directory, 'disk'), scratchMiB: 2048, memoryMiB: 2048, cpus: 2 };
}

/** By name: state and id. */
type Domains = Record<string, [string, number | null]>;

async function listAll(lab: Lab): Promise<Domains> {
  const rows = await jsonIn<DomainRow[]>(lab, 'list', '--all');
  return Object.fromEntries(rows.map(({ name, state, id }) => [name, [state, id]]));
}

/** All of them once `name` runs, else null. */
async function listRunning(lab: Lab, name: string): Promise<Domains | null> {
  const domains = await listAll(lab);
  return domains[name]?.[0] === 'running' ? domains : null;
}

/** What is told of incarnations, in virsh's words or by our own name: `2 Started Booted`, `2 released`. */
async function told(lab: Lab): Promise<string[]> {
  const lines = (await okIn(lab, 'event', '--since', '1h', '--json')).trim().split('\n');
  const events = lines.map((line) => JSON.parse(line) as DomainEvent);
  return events
    .filter(({ incarnation }) => incarnation !== null)
    .map(({ incarnation, event, text }) => `${incarnation} ${text || event}`);
}

/** Cgroups of incarnations, e.g. `vm-web1/3`. */
async function incarnationCgroups(lab: Lab): Promise<string[]> {
  const { stdout } = await shellIn(lab, `cd /sys/fs/cgroup${cgroupRoot} && find . -mindepth 2 -maxdepth 2 -type d`);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.slice(2));
}

describeLab('a host reboot', () => {
  test('without a word: what was to be started runs anew, the rest ended as host-reboot, once a boot', {
    timeout: patient(1_800_000),
  }, async () => {
    const options = hostWithDisk();
    {
      await using lab = await bootLab(options);
      await configure(lab);
      for (const name of ['web1', 'db1']) await defineIn(lab, name);
      await okIn(lab, 'autostart', 'web1');
      await okIn(lab, 'start', 'web1', 'db1');
      expect(await listAll(lab)).toEqual({ web1: ['running', 1], db1: ['running', 2] });
    }

    await using lab = await bootLab(options);
    const running = await eventually('web1 runs again', () => listRunning(lab, 'web1'), 300_000);
    expect(running).toEqual({ web1: ['running', 3], db1: ['shut off', null] });
    expect(await okIn(lab, 'domstate', 'db1', '--reason')).toBe('shut off (host-reboot)\n');
    const { lastOutcome } = await jsonIn<DomainInfo>(lab, 'dominfo', 'db1');
    expect(lastOutcome).toMatchObject({ id: 2, kind: 'host-reboot' });
    const events = await told(lab);
    expect(events.filter((line) => line.startsWith('2'))).toEqual([
      '2 Started Booted',
      '2 Resumed Unpaused',
      '2 released',
      '2 Stopped Failed',
    ]);
    expect(events).toEqual(expect.arrayContaining(['1 Stopped Failed', '3 Started Booted']));
    expect(await incarnationCgroups(lab)).toEqual(['vm-web1/3']);

    await okIn(lab, 'destroy', 'web1', '--wait');
    await okIn(lab, 'daemon', 'stop');
    // An autostart would come before whatever is asked of that daemon, and take the next id.
    await okIn(lab, 'start', 'db1');
    expect(await listAll(lab)).toEqual({ web1: ['shut off', null], db1: ['running', 4] });
  });
});
