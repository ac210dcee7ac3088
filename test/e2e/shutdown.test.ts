/** shutdown asks the guest and never more; an end waits for every exclusive resource, by name. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { byGeneration } from './emulators.ts';
import { cgroupTree, eventually, isAlive } from './facts.ts';
import { createHost, describeEndToEnd } from './harness.ts';

describeEndToEnd('shutdown', () => {
  test.for(byGeneration)(
    'QEMU %s: the guest is shown the power button, and nothing else happens',
    async ([, qemu], context) => {
      if (qemu.skipReason !== null) context.skip(qemu.skipReason);
      await using host = await createHost();
      const { pid } = await host.run({ name: 'web1', emulator: qemu.emulator });
      expect(await host.ok('shutdown', 'web1')).toBe("Domain 'web1' is being shutdown\n");
      await eventually('the journal has POWERDOWN', () =>
        host.journal().some(({ event }) => event === 'powerdownSeen'),
      );
      const late = await host.domctl(['shutdown', 'web1', '--wait', '--timeout', '500ms']);
      expect(late.exit).toBe(10);
      expect(late.stderr).toMatch(/^error: .*'web1'.* after 500 ms: running/);
      expect(await host.info('web1')).toMatchObject({ state: 'running', pid });
      await host.ok('shutdown', 'web1', '--wait', '--force-after', '500ms');
      expect(isAlive(pid!)).toBe(false);
      expect(await host.ok('domstate', 'web1', '--reason')).toBe('shut off (destroyed)\n');
    },
  );

  test('a guest that obeys is shut off (shutdown), and force-after comes to nothing', async () => {
    await using host = await createHost();
    await host.run({ name: 'web1', emulator: host.oddQemu('polite') });
    await host.ok('shutdown', 'web1', '--wait', '--force-after', '20s');
    const info = await host.info('web1');
    expect(info).toMatchObject({ state: 'shut off', reason: 'shutdown' });
    expect(info.lastOutcome).toMatchObject({ kind: 'shutdown', exitCode: 0, rung: 'itself' });
  });

  test('of a domain that is shut off is refused (4), of a crashing one it tells the crash', async () => {
    await using host = await createHost();
    await host.run({ name: 'web1', emulator: host.oddQemu('crashes') });
    await host.domctl(['shutdown', 'web1']);
    expect((await host.becomes('web1', 'shut off')).lastOutcome).toMatchObject({ kind: 'crashed', signal: 6 });
    const { exit, stderr } = await host.domctl(['shutdown', 'web1']);
    expect({ exit, stderr }).toEqual({
      exit: 4,
      stderr: "error: cannot shutdown domain 'web1': domain is not running\n",
    });
  });
});

/** Into an incarnation's cgroup, as if the hypervisor had started it. */
function moveTo(cgroup: string, pid: number): void {
  for (const directory of cgroupTree(cgroup)) writeFileSync(join(directory, 'cgroup.procs'), String(pid));
}

describeEndToEnd('an image that another process keeps locked', () => {
  test('keeps its dead hypervisor exiting, by name, until it lets go, when it is of the incarnation', async () => {
    // It would be killed with what is left otherwise.
    await using host = await createHost({ policies: { patient: { destroy: { killAfter: '60s' } } } });
    const image = host.image('a.img');
    await host.run({ name: 'db1', disks: [image], policy: 'patient' });
    // QEMU's own permission byte for writing: a shared lock goes beside QEMU's.
    const holder = await host.holdLock(image, 101);
    moveTo((await host.info('db1')).cgroup!, holder.pid);
    const late = await host.domctl(['destroy', 'db1', '--timeout', '1s']);
    expect(late.exit).toBe(10);
    const { incarnations, state } = await eventually('its hypervisor is gone', async () => {
      const info = await host.info('db1');
      return info.incarnations[0]?.pid === null && info.incarnations[0].busy.length > 0 && info;
    });
    expect(state).toBe('exiting');
    expect(incarnations[0]).toMatchObject({
      pid: null,
      busy: [
        {
          resource: `image ${image}`,
          probe: 'F_OFD_GETLK: locked at bytes 101',
          holder: expect.stringContaining(`(pid ${holder.pid})`),
        },
      ],
    });
    for (const verb of ['start', 'force-start']) {
      const { exit, stderr } = await host.domctl([verb, 'db1']);
      expect(exit).toBe(4);
      expect(stderr).toMatch(
        new RegExp(`is still exiting: image ${image} is not free .*, held by .*\\(pid ${holder.pid}\\)`),
      );
    }
    await host.define({ name: 'db2', disks: [image] });
    expect((await host.domctl(['start', 'db2'])).exit).toBe(4);

    await host.killDaemon();
    await host.nextDaemon();
    await eventually('the next daemon names it too', async () => {
      const busy = (await host.info('db1')).incarnations[0]?.busy[0];
      return busy?.holder?.includes(`(pid ${holder.pid})`);
    });
    expect(await host.state('db1')).toBe('exiting');

    await holder.letGo();
    expect((await host.becomes('db1', 'shut off')).lastOutcome).toMatchObject({ kind: 'destroyed' });
    await host.ok('start', 'db2');
  });

  test('is not waited for, but named when it is started again, when it is another program', async () => {
    await using host = await createHost();
    const image = host.image('a.img');
    await host.run({ name: 'db1', disks: [image] });
    const holder = await host.holdLock(image, 101);
    await host.ok('destroy', 'db1', '--wait');
    const { exit, stderr } = await host.domctl(['start', 'db1']);
    expect(exit).toBe(4);
    expect(stderr).toContain(`(pid ${holder.pid})`);
    await holder.letGo();
    await host.ok('start', 'db1');
  });
});
