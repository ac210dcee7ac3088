/**
 * The units in a host whose PID 1 is systemd, user-mode Linux's kernel and cgroup v2 below it: the service is started by its
 * socket, machines outlive it however it ends, and guests are shut down with the host.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DomainRow } from '../../lib/client/contract.ts';
import { eventually } from '../e2e/facts.ts';
import { findOrTell } from '../setup/cache.ts';
import { describeLab } from './commands.ts';
import {
  type Hypervisor,
  defineGuest,
  doIn,
  hypervisorOf,
  install,
  isListening,
  journal,
  sayIn,
  tryIn,
  unitOf,
} from './installed.ts';
import { bootLab, type Lab } from './machine.ts';
import { newestSystemd, usualSystemd } from './managers.ts';
import { userModeParts } from './parts.ts';

/** On a host that has much else to do. */
const slowMs = 180_000;

/** Until what is started at boot has been. */
async function bootHost(systemd: string, scratchFile: string): Promise<Lab> {
  const lab = await bootLab({ kind: 'uml', systemd, scratchFile, scratchMiB: 4096, memoryMiB: 2048 });
  const { stdout } = await tryIn(lab, 'systemctl', 'is-system-running', '--wait');
  if (stdout === 'running\n') return lab;
  const failed = await tryIn(lab, 'systemctl', '--no-pager', '--failed');
  await lab.close();
  throw new Error(`systemd: ${stdout}${failed.stdout}`);
}

/** Nothing is said to it that systemd does not say. */
async function powerOff(lab: Lab): Promise<void> {
  // The command dies with the lab, with or without an answer.
  void tryIn(lab, 'systemctl', 'poweroff').catch(() => undefined);
  await lab.off();
  await lab.close();
}

/** By name: state and id. */
async function listAll(lab: Lab): Promise<Record<string, [string, number | null]>> {
  const rows = JSON.parse(await sayIn(lab, 'domctl', 'list', '--all', '--json')) as DomainRow[];
  return Object.fromEntries(rows.map(({ name, state, id }) => [name, [state, id]]));
}

/** What goes when the network does, so that the journal tells who was there until then. */
const network = `cat > /etc/systemd/system/lab-network.service <<'end'
[Unit]
Wants=network.target
Before=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/echo the network goes
[Install]
WantedBy=multi-user.target
end
systemctl enable --now lab-network.service`;

/** How a host goes down is no matter of systemd's version: all of it is looked at once. */
const managers = [
  { name: 'the systemd of this host', ...(await usualSystemd()), thoroughly: true },
  { name: 'the newest systemd packaged for it', ...(await newestSystemd()), thoroughly: false },
];
const kernel = await findOrTell('user-mode Linux', userModeParts);

/** Of no use without its parts. */
function describeHost(why: string | null, body: () => void): void {
  if (why === null) describeLab('the service', body);
  else describe.skip(`the service (skipped: ${why})`, body);
}

describe.each(managers)('under $name', ({ found, skipReason, thoroughly }) => {
  describeHost(skipReason ?? kernel.skipReason, () => {
    let directory: string;
    let disk: string;
    let lab: Lab;
    let delegates: boolean;
    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), 'domctl-systemd-'));
      disk = join(directory, 'disk');
      lab = await bootHost(found!, disk);
      const version = Number(/^systemd (\d+)/.exec(await sayIn(lab, 'systemctl', '--version'))?.[1]);
      delegates = version >= 254;
      await doIn(lab, network);
      await install(lab);
    });
    afterAll(async () => {
      await lab.close();
      rmSync(directory, { recursive: true, force: true });
    });

    /** The machine as it was: nothing of it but what a daemon does not touch. */
    async function goesOn(machine: Hypervisor): Promise<void> {
      expect(await hypervisorOf(lab, 'web1')).toEqual(machine);
    }

    test('is started by whoever speaks at its socket, says that it is ready, and what it does', async () => {
      await sayIn(lab, 'systemctl', 'enable', '--now', 'domctld.socket');
      expect(await unitOf(lab)).toMatchObject({ ActiveState: 'inactive', MainPID: '0' });
      const ask = ['curl', '--silent', '--show-error', '--unix-socket', '/run/domctl/domctld.sock'];
      expect(await sayIn(lab, ...ask, 'http://domctl/metrics')).toContain('domctl_capacity_bytes');
      const { MainPID: pid, ...unit } = await unitOf(lab);
      expect(unit).toMatchObject({ ActiveState: 'active', Type: 'notify', StatusText: '0 domains, 0 live' });
      expect(unit).toMatchObject({ Delegate: 'yes', KillMode: 'process', Result: 'success' });
      expect(await journal(lab)).toMatch(/^Started domctld\.service/m);
      const cgroup = `/system.slice/domctld.service${delegates ? '/daemon' : ''}`;
      expect(await sayIn(lab, 'cat', `/proc/${pid}/cgroup`)).toBe(`0::${cgroup}\n`);
      expect(await sayIn(lab, 'systemctl', 'status', '--no-pager', 'domctld')).toMatch(
        /^ +Status: "0 domains, 0 live"$/m,
      );
      // Started with it, to be stopped before it.
      await eventually('it is ready to shut guests down', async () => {
        return (await unitOf(lab, 'domctl-guests.service'))['ActiveState'] === 'active';
      });
      await sayIn(lab, 'systemctl', 'enable', 'domctld.socket', 'domctld.service', 'domctl-guests.service');
    });

    test('ends, dies, hangs and comes back; machines, their place and their limits stay as they were', async () => {
      await defineGuest(lab, 'web1', { obeys: true });
      await defineGuest(lab, 'db1', { obeys: true });
      await sayIn(lab, 'domctl', 'autostart', 'web1');
      await sayIn(lab, 'domctl', 'start', 'web1', 'db1');
      const machine = await eventually('web1 has a hypervisor', () => hypervisorOf(lab, 'web1'));
      const root = delegates ? '/system.slice/domctld.service' : '/domctl';
      expect(machine).toMatchObject({ cgroup: `${root}/vm-web1/1` });
      expect(machine.limits).toEqual(expect.arrayContaining([`memory.max:${600 * 2 ** 20}`]));
      const both = { web1: ['running', 1], db1: ['running', 2] };

      await doIn(lab, 'systemctl daemon-reload; systemctl daemon-reexec; systemctl restart lab-network.service');
      // Then systemd says anew what the cgroups above hand down.
      const controllers = '--property=CPUWeight=50 --property=IOWeight=50 --property=MemoryMax=1G';
      await doIn(lab, `systemd-run --quiet --unit=lab-other ${controllers} sleep infinity; systemctl stop lab-other`);
      await goesOn(machine);

      await sayIn(lab, 'systemctl', 'restart', 'domctld.service');
      await goesOn(machine);
      expect(await unitOf(lab)).toMatchObject({ ActiveState: 'active', StatusText: '2 domains, 2 live' });

      await sayIn(lab, 'systemctl', 'stop', 'domctld.service');
      await sayIn(lab, 'systemctl', 'daemon-reload');
      await goesOn(machine);
      expect(await unitOf(lab)).toMatchObject({ ActiveState: 'inactive', MainPID: '0' });
      expect(await listAll(lab)).toEqual(both);
      expect(await unitOf(lab)).toMatchObject({ ActiveState: 'active' });

      await sayIn(lab, 'systemctl', 'kill', '--kill-whom=main', '--signal=KILL', 'domctld.service');
      const { MainPID: second } = await comesBack();
      await goesOn(machine);

      // As a file system that hangs would: nothing in it moves.
      await doIn(
        lab,
        `mkdir -p /run/systemd/system/domctld.service.d
        printf '[Service]\\nWatchdogSec=10s\\n' > /run/systemd/system/domctld.service.d/lab.conf
        systemctl daemon-reload; systemctl restart domctld.service; systemctl kill --kill-whom=main --signal=STOP domctld.service`,
      );
      const { MainPID: third } = await comesBack();
      expect(third).not.toBe(second);
      expect(await journal(lab)).toMatch(/^domctld\.service: Watchdog timeout/m);
      await goesOn(machine);
      expect(await listAll(lab)).toEqual(both);
      await doIn(lab, 'rm -r /run/systemd/system/domctld.service.d; systemctl daemon-reload');
    });

    /** After its death: systemd counts from when it was last told to start it. */
    async function comesBack(): Promise<Record<string, string>> {
      const look = async (): Promise<Record<string, string> | null> => {
        const unit = await unitOf(lab);
        return unit['NRestarts'] !== '0' && unit['ActiveState'] === 'active' ? unit : null;
      };
      return eventually('the service is back', look, slowMs);
    }

    test('a host that goes down shuts its guests down first; what is to run runs again at the next boot', async () => {
      for (const each of ['web1', 'db1']) await eventually(`${each} listens`, () => isListening(lab, each));
      await powerOff(lab);

      lab = await bootHost(found!, disk);
      const web1 = await eventually('web1 runs', () => hypervisorOf(lab, 'web1'), slowMs);
      expect(web1.cgroup).toMatch(/\/vm-web1\/3$/);
      expect(await listAll(lab)).toEqual({ web1: ['running', 3], db1: ['shut off', null] });
      expect(await sayIn(lab, 'domctl', 'domstate', '--reason', 'db1')).toBe('shut off (shutdown)\n');
      inOrder(await journal(lab, -1), [
        /^Stopping domctl-guests\.service/,
        /^Shutting down 2 guests: /,
        /^'(web1|db1)' shut down after/,
        /^'(web1|db1)' shut down after/,
        /^Stopped domctl-guests\.service/,
        /^Stopping domctld\.service/,
        /^Stopped domctld\.service/,
        /^the network goes$/,
      ]);
    });

    if (!thoroughly) return;
    test('also when nobody has spoken to it since it was stopped; who does not obey is named, and does not hold the host', async () => {
      await defineGuest(lab, 'deaf', { obeys: false });
      await sayIn(lab, 'domctl', 'start', 'deaf');
      await eventually('web1 listens', () => isListening(lab, 'web1'));
      await doIn(lab, 'echo SHUTDOWN_TIMEOUT=12s > /etc/default/domctl-guests; systemctl stop domctld.service');
      await powerOff(lab);

      lab = await bootHost(found!, disk);
      await eventually('web1 runs', () => hypervisorOf(lab, 'web1'), slowMs);
      expect(await listAll(lab)).toEqual({ web1: ['running', 5], db1: ['shut off', null], deaf: ['shut off', null] });
      inOrder(await journal(lab, -1), [
        /^Stopping domctl-guests\.service/,
        /^Started domctld\.service/,
        /^Shutting down 2 guests: /,
        /^'web1' shut down after/,
        /^error: still running: deaf$/,
        /^Stopped domctl-guests\.service/,
        /^the network goes$/,
      ]);
    });
  });
});

/** Lines like these, one after the other, whatever is between them. */
function inOrder(text: string, patterns: readonly RegExp[]): void {
  let rest = text.split('\n');
  for (const pattern of patterns) {
    const at = rest.findIndex((line) => pattern.test(line));
    expect(at, `${String(pattern)} in:\n${text}`).toBeGreaterThanOrEqual(0);
    rest = rest.slice(at + 1);
  }
}
