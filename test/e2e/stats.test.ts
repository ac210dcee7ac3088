/** domid, domuuid, domname, nodeinfo and domstats, held against what the kernel and the hypervisor say. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { DomainStats, NodeAnswer } from '../../lib/client/figures.ts';
import { byGeneration } from './emulators.ts';
import { cgroupsOf, hierarchy, MiB } from './facts.ts';
import { createHost, describeEndToEnd } from './harness.ts';

/** The block of one domain as a record of its `key=value` lines. */
function figures(text: string, domain: string): Record<string, string> {
  const block = text.split('\n\n').find((each) => each.startsWith(`Domain: '${domain}'\n`)) ?? '';
  const lines = block.trimEnd().split('\n').slice(1);
  return Object.fromEntries(lines.map((line) => /^ {2}([^=]+)=(.*)$/.exec(line)!.slice(1, 3)));
}

describeEndToEnd('names of a domain', () => {
  test('domid, domuuid and domname give one for another, bare; the id of an off domain is -', async () => {
    await using host = await createHost();
    const { uuid } = await host.run({ name: 'web1', emulator: host.oddQemu('polite') });
    await host.define({ name: 'off' });
    expect(await host.ok('domid', 'web1')).toBe('1\n');
    expect(await host.ok('domuuid', '1')).toBe(`${uuid}\n`);
    expect(await host.ok('domname', uuid)).toBe('web1\n');
    expect(await host.ok('domid', 'off')).toBe('-\n');
    expect(await host.json('domid', 'off')).toMatchObject({ id: null, name: 'off' });
    expect((await host.domctl(['domuuid', 'none'])).exit).toBe(3);
  });
});

describeEndToEnd('nodeinfo', () => {
  test("shows the host in virsh's lines, and in bytes for a program", async () => {
    await using host = await createHost();
    const memTotalKib = /^MemTotal: +(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))![1];
    const text = await host.ok('nodeinfo');
    expect(text).toMatch(/^CPU model: {11}\S+\n/);
    expect(text).toContain(`CPU(s):              ${cpus().length}\n`);
    expect(text).toMatch(new RegExp(`^Memory size: {9}${memTotalKib} KiB$`, 'm'));
    const labels = text
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(0, 20).trim());
    expect(labels).toEqual([
      'CPU model:',
      'CPU(s):',
      'CPU frequency:',
      'CPU socket(s):',
      'Core(s) per socket:',
      'Thread(s) per core:',
      'NUMA cell(s):',
      'Memory size:',
    ]);
    const node = await host.json<NodeAnswer>('nodeinfo');
    expect(node).toMatchObject({
      cpuModel: execFileSync('uname', ['-m'], { encoding: 'utf8' }).trim(),
      memoryBytes: Number(memTotalKib) * 1024,
    });
    expect(node.sockets * node.coresPerSocket * node.threadsPerCore).toBeGreaterThanOrEqual(node.cpus);
  });
});

describeEndToEnd('domstats', () => {
  test('gives the traffic of every tap, also of those that are named here', async (context) => {
    if (!existsSync('/dev/net/tun')) context.skip('no /dev/net/tun');
    await using host = await createHost();
    // Taps are named by the incarnation's number, and each of these hosts counts its own from 1.
    host.countFrom(process.pid);
    const cards = "<interface type='ethernet'><model type='virtio'/></interface>";
    await host.define(host.xml({ name: 'web1' }).replace('</devices>', `${cards.repeat(2)}</devices>`));
    await host.ok('start', 'web1');
    const shown = figures(await host.ok('domstats', 'web1', '--interface'), 'web1');
    expect(shown).toMatchObject({
      'net.count': '2',
      'net.0.name': `dctl${process.pid}-0`,
      'net.1.name': `dctl${process.pid}-1`,
    });
    expect(shown['net.0.rx.bytes']).toMatch(/^\d+$/);
  });

  describe.each(byGeneration)('QEMU %s', (_label, { emulator, skipReason }) => {
    test('gives figures of a running machine that the kernel confirms', async (context) => {
      if (skipReason !== null) context.skip(skipReason);
      await using host = await createHost();
      const image = host.image('a.img');
      const { pid } = await host.run({ name: 'web1', disks: [image], emulator });
      const shown = figures(await host.ok('domstats', 'web1'), 'web1');
      expect(shown).toMatchObject({
        'state.state': '1',
        'state.reason': '1',
        'balloon.current': String(64 * 1024),
        'balloon.maximum': String(64 * 1024),
        'vcpu.current': '1',
        'vcpu.maximum': '1',
        'vcpu.0.state': '1',
        'block.count': '1',
        'block.0.name': 'vda',
        'block.0.path': image,
        'block.0.capacity': String(MiB),
        'net.count': '0',
        'domctl.state': 'running',
        'domctl.draining': '0',
      });
      // The BIOS reads the first sector of a disk; the machine has run for a moment, in its cgroup and nowhere else.
      const stat = readFileSync(join(hierarchy.mount.mountPoint, cgroupsOf(pid!).unified!, 'cpu.stat'), 'utf8');
      const usedNs = BigInt(/^usage_usec (\d+)$/m.exec(stat)![1]!) * 1000n;
      expect(BigInt(shown['cpu.time']!)).toBeGreaterThan(0n);
      expect(BigInt(shown['cpu.time']!)).toBeLessThanOrEqual(usedNs);
      expect(BigInt(shown['vcpu.0.time']!)).toBeLessThanOrEqual(usedNs);
      expect(Number(shown['domctl.held'])).toBeGreaterThan(0);
      expect(Number(shown['domctl.promised'])).toBeGreaterThan(64 * MiB);
      const stats = await host.json<DomainStats>('domstats', 'web1');
      expect(stats).toMatchObject({
        id: 1,
        balloon: { currentBytes: 64 * MiB },
        blocks: [{ name: 'vda', path: image }],
      });
    });
  });

  test('says of an off domain only what is true of it, and takes groups, and all domains without a name', async () => {
    await using host = await createHost();
    await host.define({ name: 'off' });
    await host.run({ name: 'web1', emulator: host.oddQemu('polite') });
    const all = await host.ok('domstats');
    expect(all).toMatch(/^Domain: 'web1'\n[^]*\n\nDomain: 'off'\n/);
    expect(figures(all, 'off')).toEqual({
      'state.state': '5',
      'state.reason': '0',
      'balloon.maximum': String(64 * 1024),
      'vcpu.maximum': '1',
      'domctl.state': 'shut off',
      'domctl.held': '0',
      'domctl.promised': '0',
      'domctl.draining': '0',
    });
    expect(await host.ok('domstats', 'off', '--state')).toBe("Domain: 'off'\n  state.state=5\n  state.reason=0\n");
    expect((await host.domctl(['domstats', 'none'])).exit).toBe(3);
  });

  test('of a hypervisor that does not answer has the other figures, and says in JSON what is unknown', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'web1' });
    process.kill(pid!, 'SIGSTOP');
    const { stdout, exit, ms } = await host.domctl(['domstats', 'web1', '--json']);
    process.kill(pid!, 'SIGCONT');
    expect(exit).toBe(0);
    expect(ms).toBeLessThan(10_000);
    const stats = JSON.parse(stdout) as DomainStats;
    expect(stats).toMatchObject({
      balloon: { currentBytes: null, currentUnknown: expect.stringContaining('no answer within') },
      vcpu: { each: null, eachUnknown: expect.any(String) },
      blocks: null,
      blocksUnknown: expect.any(String),
    });
    expect(stats.cpu!.timeUs).toBeGreaterThan(0);
    expect(stats.domctl.heldBytes).toBeGreaterThan(0);
  });

  test('of a draining domain shows what is held and coming back, and asks its hypervisor nothing', async () => {
    await using host = await createHost();
    const { pid } = await host.run({ name: 'db1', shared: true });
    const holder = await host.holdMemory(pid!);
    await host.ok('destroy', 'db1');
    const shown = figures(await host.ok('domstats', 'db1'), 'db1');
    expect(shown).toMatchObject({ 'domctl.state': 'draining', 'state.state': '4', 'domctl.promised': '0' });
    expect(Number(shown['domctl.draining'])).toBeGreaterThan(32 * MiB);
    expect(shown).not.toHaveProperty('balloon.current');
    expect(shown).not.toHaveProperty('block.count');
    await holder.letGo();
    await host.becomes('db1', 'shut off');
  });
});
