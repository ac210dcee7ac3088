/** The main job on a real QEMU of each generation: from XML to running, ended, and truly shut off. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { DomainInfo } from '../../lib/client/contract.ts';
import { byGeneration } from './emulators.ts';
import {
  cgroupsOf,
  cgroupTree,
  chargeOf,
  hierarchy,
  isAlive,
  MiB,
  processesIn,
  residueBytes,
  statusField,
} from './facts.ts';
import { createHost, describeEndToEnd, nobody } from './harness.ts';

/** A helper also for a small guest: by default it is not worth its start below 1 GiB. */
const withHelper = {
  policies: { helped: { teardown: { minimumSize: '1MiB' } } },
  hostYaml: { defaultPolicy: 'helped', allowedPolicies: ['helped'] },
};

describeEndToEnd('lifecycle', () => {
  describe.each(byGeneration)('QEMU %s', (_label, { emulator, skipReason, version }) => {
    test('goes from a definition to running and back to shut off, and leaves nothing', async (context) => {
      if (skipReason !== null) context.skip(skipReason);
      await using host = await createHost(withHelper);
      const image = host.image('db1.img');
      await host.define({ name: 'db1', emulator, disks: [image] });
      expect(await host.state('db1')).toBe('shut off');

      expect(await host.ok('start', 'db1')).toBe("Domain 'db1' started (Id 1)\n");
      expect(await host.state('db1')).toBe('running');
      expect(await host.ok('domstate', 'db1', '--reason')).toBe('running (booted)\n');
      const info = await host.json<DomainInfo>('dominfo', 'db1');
      expect(info).toMatchObject({ id: 1, state: 'running', cgroup: `${host.cgroupRoot}/vm-db1/1` });
      expect(info.incarnations[0]).toMatchObject({ emulatorVersion: version, helper: 'preload, sandboxed' });
      expect(isAlive(info.incarnations[0]!.helperPid!)).toBe(true);

      const answer = await host.ok('destroy', 'db1');
      expect(answer).toMatch(/^Domain 'db1' destroyed: exclusive resources free after \d/);
      expect(isAlive(info.pid!)).toBe(false);
      const after = await host.becomes('db1', 'shut off');
      expect(await host.ok('domstate', 'db1', '--reason')).toBe('shut off (destroyed)\n');
      expect(after).toMatchObject({
        id: null,
        heldBytes: 0,
        incarnations: [],
        lastOutcome: { id: 1, kind: 'destroyed', rung: 'SIGTERM', exitCode: 0, signal: null, oomKilled: false },
      });
      expect(host.history(1)).toEqual(['launching', 'running', 'exiting', 'draining', 'released']);
      expect(cgroupTree(`${host.cgroupRoot}/vm-db1`)).toEqual([]);
    });

    test('is born in its cgroup and v1 memory twin, as an unprivileged user with nothing to gain', async (context) => {
      if (skipReason !== null) context.skip(skipReason);
      await using host = await createHost();
      const { pid, cgroup, heldBytes } = await host.run({ name: 'db1', emulator, shared: true });
      const own = cgroupsOf(pid!);
      expect(own.unified).toBe(cgroup);
      if (hierarchy.kind === 'hybrid') expect(own.memory).toBe(cgroup);
      expect(processesIn(host.cgroupRoot)).toEqual([pid]);
      expect(heldBytes).toBeGreaterThan(64 * MiB);
      expect(Math.abs(heldBytes! - chargeOf(cgroup!).heldBytes)).toBeLessThan(32 * MiB);

      const fields = [
        'Uid',
        'Gid',
        'Groups',
        'NoNewPrivs',
        'Seccomp',
        'CapInh',
        'CapPrm',
        'CapEff',
        'CapBnd',
        'CapAmb',
      ];
      const none = '0000000000000000';
      expect(Object.fromEntries(fields.map((field) => [field, statusField(pid!, field)?.trim()]))).toMatchObject({
        Uid: `${nobody} ${nobody} ${nobody} ${nobody}`,
        Gid: `${nobody} ${nobody} ${nobody} ${nobody}`,
        Groups: '',
        NoNewPrivs: '1',
        Seccomp: '2',
        CapInh: none,
        CapPrm: none,
        CapEff: none,
        CapAmb: none,
      });
      expect(readFileSync(`/proc/${pid}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0 +bytes/m);
    });

    test('says draining while another process keeps its memory, and is force-started over it', async (context) => {
      if (skipReason !== null) context.skip(skipReason);
      await using host = await createHost();
      const first = await host.run({
        name: 'db1',
        emulator,
        memoryMiB: 128,
        shared: true,
        disks: [host.image('a.img')],
      });
      const holder = await host.holdMemory(first.pid!);
      await host.ok('destroy', 'db1');
      const draining = await host.info('db1');
      expect(draining).toMatchObject({ state: 'draining', pid: null });
      expect(draining.drainingBytes).toBeGreaterThanOrEqual(128 * MiB);
      expect(draining.incarnations[0]?.freed).toContainEqual({
        resource: `image ${host.at('a.img')}`,
        probe: 'F_OFD_GETLK: no lock on its bytes',
      });
      expect((await host.domctl(['start', 'db1'])).exit).toBe(5);
      expect(await host.ok('force-start', 'db1')).toMatch(
        /^Domain 'db1' started \(Id 2\), over 0\.\d GiB still draining$/m,
      );
      expect(await host.ok('domstate', 'db1', '--reason')).toMatch(
        /^running \(booted\), predecessor 1 draining, 0\.\d GiB held$/m,
      );
      await holder.letGo();
      await host.ok('destroy', 'db1', '--wait');
      expect(await host.ok('domstate', 'db1', '--reason')).toBe('shut off (destroyed)\n');
      expect(chargeOf(host.cgroupRoot).heldBytes).toBeLessThan(residueBytes);
    });
  });
});
