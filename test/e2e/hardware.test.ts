/** A guest's disks, cards and memory, and the way past domctl to its hypervisor. */
import { rmSync, statSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import type { BlockRow, InterfaceRow, MemoryAnswer, MonitorAnswer } from '../../lib/client/hardware.ts';
import { anyQemu } from './emulators.ts';
import { MiB } from './facts.ts';
import { createHost, describeEndToEnd, type Host } from './harness.ts';

/** Two disks, one of them an empty drive, and a card. */
function machine(host: Host, balloon = 'virtio'): string {
  return `<domain type='qemu'><name>web1</name><memory unit='MiB'>64</memory>
    <os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
    <devices><emulator>${String(anyQemu)}</emulator>
    <disk type='file' device='disk'><source file='${host.image('a.img')}'/><target dev='vda' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
    <interface type='user'><mac address='52:54:00:11:22:33'/><model type='virtio'/></interface>
    <memballoon model='${balloon}'/></devices></domain>`;
}

describeEndToEnd('domblklist and domiflist', () => {
  test("show the guest's devices in virsh's tables, of the definition and of what runs", async () => {
    await using host = await createHost();
    await host.define(machine(host));
    const image = host.at('a.img');
    const disks = [' Target   Source', '-'.repeat(12 + image.length), ` vda      ${image}`, ' sda      -', ''];
    expect((await host.ok('domblklist', 'web1')).split('\n')).toEqual(disks);
    expect(await host.ok('domblklist', 'web1', '--details')).toContain(' file   cdrom    sda      -\n');
    expect(await host.ok('domiflist', 'web1')).toContain(' -           user   -        virtio   52:54:00:11:22:33\n');
    await host.ok('start', 'web1');
    await host.ok('undefine', 'web1');
    expect(await host.json<BlockRow[]>('domblklist', 'web1')).toEqual([
      { type: 'file', device: 'disk', target: 'vda', source: host.at('a.img') },
      { type: 'file', device: 'cdrom', target: 'sda', source: null },
    ]);
    expect(await host.json<InterfaceRow[]>('domiflist', 'web1')).toEqual([
      { interface: null, type: 'user', source: null, model: 'virtio', mac: '52:54:00:11:22:33' },
    ]);
    expect((await host.domctl(['domblklist', 'web1', '--inactive'])).exit).toBe(3);
  });
});

describeEndToEnd('memory that guests share', () => {
  test('is promised until it is there, and the host’s from then on', async () => {
    await using host = await createHost();
    const name = `domctl-e2e-${process.pid}`;
    onTestFinished(() => {
      rmSync(`/dev/shm/${name}`, { force: true });
    });
    const shared = `<shmem name='${name}'><model type='ivshmem-plain'/><size unit='MiB'>64</size></shmem>`;
    await host.define(machine(host).replace('<memballoon', `${shared}<memballoon`));
    interface Sum {
      readonly arithmetic: { readonly promisedNewBytes: number };
    }
    const asked = async (): Promise<number> =>
      (await host.json<Sum>('start', 'web1', '--dry-run')).arithmetic.promisedNewBytes;
    const first = await asked();
    await host.ok('start', 'web1');
    expect(statSync(`/dev/shm/${name}`)).toMatchObject({ size: 64 * MiB, blocks: (64 * MiB) / 512 });
    interface Shown {
      readonly memory: { readonly promisedLiveBytes: number };
    }
    const { memory } = await host.json<Shown>('resources');
    expect(memory.promisedLiveBytes).toBe(first - 64 * MiB);
    await host.ok('destroy', 'web1', '--wait');
    expect(await host.ok('domstate', 'web1')).toBe('shut off\n');
    expect(await asked()).toBe(first - 64 * MiB);
  });
});

describeEndToEnd('setmem', () => {
  test('moves the balloon of a guest that runs, changes the definition, or both', async () => {
    await using host = await createHost();
    await host.define(machine(host));
    expect(await host.json<MemoryAnswer>('setmem', 'web1', '48M')).toEqual({
      name: 'web1',
      liveBytes: null,
      configBytes: 48 * MiB,
    });
    expect(await host.ok('dumpxml', 'web1')).toContain("<currentMemory unit='KiB'>49152</currentMemory>");
    await host.ok('start', 'web1');
    expect(await host.json('setmem', 'web1', '32768')).toMatchObject({ liveBytes: 32 * MiB, configBytes: null });
    expect(await host.json('setmem', 'web1', '40MiB', '--live', '--config')).toMatchObject({
      liveBytes: 40 * MiB,
      configBytes: 40 * MiB,
    });
    expect(await host.ok('dumpxml', 'web1', '--inactive')).toContain('>40960</currentMemory>');
  });

  test('is refused beyond the memory there is, without a balloon, and where nothing runs', async () => {
    await using host = await createHost();
    await host.define(machine(host, 'none'));
    expect(await host.domctl(['setmem', 'web1', '65M'])).toMatchObject({
      exit: 2,
      stderr: expect.stringMatching(/to 66560 KiB\nhint: its <memory> is 65536 KiB/) as string,
    });
    expect((await host.domctl(['setmem', 'web1', 'much'])).exit).toBe(2);
    expect((await host.domctl(['setmem', 'web1', '32M', '--live'])).exit).toBe(4);
    await host.ok('start', 'web1');
    expect(await host.domctl(['setmem', 'web1', '32M'])).toMatchObject({
      exit: 4,
      stderr: expect.stringContaining('has no memory balloon') as string,
    });
  });
});

describeEndToEnd('qemu-monitor-command', () => {
  test('gives what the hypervisor returned, and the log has who asked', async () => {
    await using host = await createHost();
    await host.define(machine(host));
    await host.ok('start', 'web1');
    const answer = await host.json<MonitorAnswer>('qemu-monitor-command', 'web1', 'query-status');
    expect(answer).toMatchObject({ return: { status: 'running' } });
    const memory = '{"execute":"qom-get","arguments":{"path":"/machine","property":"type"}}';
    expect(await host.ok('qemu-monitor-command', 'web1', memory)).toContain('-machine"');
    const secret = '{"execute":"set_password","arguments":{"protocol":"vnc","password":"unspoken"}}';
    expect((await host.domctl(['qemu-monitor-command', 'web1', secret])).exit).toBe(1);
    expect(host.log).toContain('set_password');
    expect(host.log).not.toContain('unspoken');
    const audited = host.log.split('\n').find((line) => line.includes('qom-get'));
    expect(JSON.parse(audited ?? '{}')).toMatchObject({
      msg: 'qemu-monitor-command',
      command: 'qom-get',
      arguments: { property: 'type' },
      requester: { uid: 0, pid: expect.any(Number) as number },
    });
  });

  test('is refused where no guest is up, and fails with the sentence of the hypervisor', async () => {
    await using host = await createHost();
    await host.define(machine(host));
    expect(await host.domctl(['qemu-monitor-command', 'web1', 'query-status'])).toMatchObject({
      exit: 4,
      stderr: "error: cannot send a monitor command to domain 'web1': domain is not running\n",
    });
    await host.ok('start', 'web1');
    const unknown = await host.domctl(['qemu-monitor-command', 'web1', 'query-nothing']);
    expect(unknown).toMatchObject({ exit: 1, stderr: expect.stringContaining('query-nothing') as string });
    expect((await host.domctl(['qemu-monitor-command', 'web1', '{"exec":"x"}'])).exit).toBe(2);
  });
});

describeEndToEnd('domxml-to-native', () => {
  test('of a domain is its definition as a command line, as virsh is asked for it too', async () => {
    await using host = await createHost();
    await host.define(machine(host));
    const argv = await host.json<string[]>('domxml-to-native', 'qemu-argv', '--domain', 'web1');
    expect(argv[0]).toBe(anyQemu);
    expect(argv.join(' ')).toContain(`"filename":"${host.at('a.img')}"`);
    expect(await host.json<string[]>('domxml-to-native', 'web1')).toEqual(argv);
    expect((await host.domctl(['domxml-to-native', 'nobody'])).exit).toBe(3);
  });
});
