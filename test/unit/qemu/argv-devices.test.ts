import { describe, expect, test } from 'vitest';
import type { Domain } from '../../../lib/domain/definition.ts';
import type { Disk, DiskDriver, Interface, Video } from '../../../lib/domain/devices.ts';
import { plainVirtio } from '../../../lib/domain/virtio.ts';
import { bareDomain, directory, disk, nic, qemu10, scsi } from '../../fixtures/qmp/domains.ts';
import { video, vnc, vncSocket } from '../../fixtures/qmp/screens.ts';
import { balloon, entropy, input } from '../../fixtures/qmp/small.ts';
import { argvOf, deviceOf, objectsOf, onMachine, valuesOf } from './argv-of.ts';

const invalid = expect.objectContaining({ code: 'INVALID_XML', hint: expect.any(String) });
const pc = onMachine('pc');
const driver: DiskDriver = disk('').driver;

describe('a disk', () => {
  test.each<[string, Partial<Disk>, Partial<Domain>, object]>([
    [
      'virtio',
      { target: 'vdc', driver: { ...driver, queues: 3 } },
      {},
      { driver: 'virtio-blk-pci', id: 'virtio-disk2', 'num-queues': 3 },
    ],
    [
      'scsi',
      { bus: 'scsi', target: 'sdi' },
      { controllers: [scsi(1, 'virtio-scsi')] },
      {
        driver: 'scsi-hd',
        bus: 'scsi1.0',
        channel: 0,
        'scsi-id': 0,
        lun: 1,
        id: 'scsi1-0-0-1',
        device_id: 'drive-scsi1-0-0-1',
      },
    ],
    ['scsi', { bus: 'scsi', target: 'sda', serial: 'S,1' }, {}, { serial: 'S,1', device_id: 'S,1' }],
    ['sata', { bus: 'sata', target: 'sdb' }, {}, { driver: 'ide-hd', bus: 'ide.1', id: 'sata0-0-1' }],
    ['sata', { bus: 'sata', target: 'sdb' }, pc, { driver: 'ide-hd', bus: 'sata0.1', id: 'sata0-0-1' }],
    ['ide', { bus: 'ide', target: 'hdd' }, pc, { driver: 'ide-hd', bus: 'ide.1', unit: 1, id: 'ide0-1-1' }],
    [
      'usb',
      { bus: 'usb', target: 'sdb' },
      { controllers: [] },
      { driver: 'usb-storage', bus: 'usb.0', id: 'usb-disk1', removable: false },
    ],
  ])('on %s is as libvirt has it: %j', (_bus, change, domain, expected) => {
    const devices = objectsOf('-device', argvOf({ ...domain, disks: [disk('/d', change)] }));
    expect(devices).toContainEqual(expect.objectContaining({ ...expected, drive: 'libvirt-1-storage' }));
  });

  test('on the old LSI chip has no lun', () => {
    const controllers = [scsi(0, null)];
    const argv = argvOf({ controllers, disks: [disk('/d', { bus: 'scsi', target: 'sdc' })] });
    expect(deviceOf('scsi0-0-2', argv)).toEqual({
      driver: 'scsi-hd',
      bus: 'scsi0.0',
      'scsi-id': 2,
      device_id: 'drive-scsi0-0-2',
      id: 'scsi0-0-2',
      drive: 'libvirt-1-storage',
      bootindex: 1,
    });
  });

  test('goes where its own address says', () => {
    const address = { type: 'drive', controller: 0, bus: 0, target: 1, unit: 5 } as const;
    const controllers = [scsi(0, 'virtio-scsi')];
    const argv = argvOf({ controllers, disks: [disk('/d', { bus: 'scsi', target: 'sda', address })] });
    expect(deviceOf('scsi0-0-1-5', argv)).toMatchObject({ 'scsi-id': 1, lun: 5 });
  });

  test('of the host is a block device, locked like a file', () => {
    const block = disk('', { source: { type: 'block', path: '/dev/vg/a' } });
    expect(objectsOf('-blockdev', argvOf({ disks: [block] }))).toEqual([
      {
        driver: 'host_device',
        filename: '/dev/vg/a',
        'node-name': 'libvirt-1-storage',
        locking: 'on',
        'read-only': false,
      },
    ]);
  });

  test.each<[DiskDriver['cache'], object, string]>([
    ['none', { direct: true, 'no-flush': false }, 'on'],
    ['writeback', { direct: false, 'no-flush': false }, 'on'],
    ['writethrough', { direct: false, 'no-flush': false }, 'off'],
    ['directsync', { direct: true, 'no-flush': false }, 'off'],
    ['unsafe', { direct: false, 'no-flush': true }, 'on'],
  ])('with cache %s says so on every node and on the device', (cache, expected, writeCache) => {
    const argv = argvOf({ disks: [disk('/d', { format: 'qcow2', driver: { ...driver, cache } })] });
    expect(objectsOf('-blockdev', argv)).toMatchObject([{ cache: expected }, { cache: expected }]);
    expect(deviceOf('virtio-disk0', argv)).toMatchObject({ 'write-cache': writeCache });
  });

  test.each<[Partial<DiskDriver>, object]>([
    [
      { discard: 'unmap', detectZeroes: 'unmap' },
      { discard: 'unmap', 'detect-zeroes': 'unmap' },
    ],
    [
      { discard: 'ignore', detectZeroes: 'unmap' },
      { discard: 'ignore', 'detect-zeroes': 'on' },
    ],
    [
      { detectZeroes: 'off', io: 'io_uring' },
      { 'detect-zeroes': 'off', aio: 'io_uring' },
    ],
  ])('with %j has a node of %j', (change, expected) => {
    const [node] = objectsOf('-blockdev', argvOf({ disks: [disk('/d', { driver: { ...driver, ...change } })] }));
    expect(node).toMatchObject(expected);
  });

  test.each<[Partial<DiskDriver>, object]>([
    [{ errorPolicy: 'stop' }, { werror: 'stop', rerror: 'stop' }],
    [{ errorPolicy: 'enospace' }, { werror: 'enospc' }],
    [
      { errorPolicy: 'report', readErrorPolicy: 'ignore' },
      { werror: 'report', rerror: 'ignore' },
    ],
  ])('with %j answers errors by %j', (change, expected) => {
    const found = deviceOf('virtio-disk0', argvOf({ disks: [disk('/d', { driver: { ...driver, ...change } })] }));
    const policies = Object.entries(found ?? {}).filter(([key]) => key.endsWith('error'));
    expect(Object.fromEntries(policies)).toEqual(expected);
  });

  test('that is an empty drive has no node', () => {
    const argv = argvOf({ disks: [disk('', { device: 'cdrom', bus: 'sata', target: 'sda', source: null })] });
    expect(objectsOf('-blockdev', argv)).toEqual([]);
    expect(deviceOf('sata0-0-0', argv)).toEqual({ driver: 'ide-cd', bus: 'ide.0', id: 'sata0-0-0' });
  });

  test('that is a cdrom is read-only, said or not', () => {
    const cd = disk('/d', { device: 'cdrom', bus: 'scsi', target: 'sda' });
    expect(objectsOf('-blockdev', argvOf({ disks: [cd] }))).toMatchObject([{ 'read-only': true }]);
  });

  test.each<[string, Partial<Disk>]>([
    ['without a source', { source: null }],
    ['that is a cdrom on virtio', { device: 'cdrom' }],
    ['that is an empty drive on USB', { device: 'cdrom', bus: 'usb', source: null }],
    ['read-only on sata', { bus: 'sata', target: 'sda', readonly: true }],
    ['on ide where there is none', { bus: 'ide', target: 'hda' }],
    ['with a target that is no name', { target: 'disk0' }],
  ])('%s is refused', (_what, change) => {
    expect(() => argvOf({ disks: [disk('/d', change)] })).toThrow(invalid);
  });

  test('comes with those of its bus, in the order in which buses appear', () => {
    const targets = ['sdb', 'vdb', 'sda', 'vda'] as const;
    const disks = targets.map((target) =>
      disk(`/${target}`, { target, bus: target.startsWith('s') ? 'scsi' : 'virtio' }),
    );
    const files = objectsOf('-blockdev', argvOf({ disks }));
    expect(files.map((each) => 'filename' in each && each.filename)).toEqual(['/sda', '/sdb', '/vda', '/vdb']);
  });
});

describe('the boot order', () => {
  const disks = [
    disk('/b', { target: 'vdb' }),
    disk('/a', { target: 'vda' }),
    disk('/cd', { target: 'sda', bus: 'sata', device: 'cdrom' }),
  ];
  const bootIndexes = (change: Partial<Domain>): unknown => {
    const devices = objectsOf('-device', argvOf(change)) as { id: string; bootindex?: number }[];
    return Object.fromEntries(
      devices.flatMap(({ id, bootindex }) => (bootindex === undefined ? [] : [[id, bootindex]])),
    );
  };

  test('of a machine is that of the first device of each kind', () => {
    const os = { ...bareDomain.os, boot: ['cdrom', 'fd', 'network', 'hd'] as const };
    expect(bootIndexes({ os, disks, interfaces: [nic(), nic()] })).toEqual({
      'sata0-0-0': 1,
      net0: 3,
      'virtio-disk0': 4,
    });
  });

  test('of single devices takes its place', () => {
    const interfaces = [nic(), nic({ bootOrder: 1 })];
    const own = disks.map((each) => (each.target === 'vdb' ? { ...each, bootOrder: 5 } : each));
    expect(bootIndexes({ disks: own, interfaces })).toEqual({ net1: 1, 'virtio-disk1': 5 });
  });
});

describe('a network card', () => {
  test('behind a tap gets a descriptor for each queue', () => {
    const taps = new Map([[0, { fds: [5, 6], vhostFds: [7, 8] }]]);
    const argv = argvOf({ interfaces: [nic({ type: 'bridge', queues: 2, mtu: 9000 })] }, { taps });
    expect(objectsOf('-netdev', argv)).toEqual([
      { type: 'tap', fds: '5:6', vhost: true, vhostfds: '7:8', id: 'hostnet0' },
    ]);
    expect(deviceOf('net0', argv)).toMatchObject({ mq: true, vectors: 6, host_mtu: 9000 });
  });

  test('with one queue names one descriptor, and does without the kernel when it must', () => {
    const taps = new Map([[0, { fds: [5], vhostFds: [] }]]);
    const argv = argvOf({ interfaces: [nic({ type: 'ethernet' })] }, { taps });
    expect(objectsOf('-netdev', argv)).toEqual([{ type: 'tap', fd: '5', id: 'hostnet0' }]);
  });

  test('is not made without its tap', () => {
    expect(() => argvOf({ interfaces: [nic({ type: 'bridge' })] })).toThrow('no tap was opened');
  });

  test.each<Interface['model']>(['e1000', 'e1000e', 'rtl8139'])('%s has no queues and no size of packets', (model) => {
    const found = deviceOf('net0', argvOf({ interfaces: [nic({ model, queues: 4, mtu: 9000 })] }));
    expect(found).not.toHaveProperty('mq');
    expect(found).not.toHaveProperty('host_mtu');
  });

  const forward = { protocol: 'tcp', address: null, hostPort: 2222, guestPort: 22 } as const;

  test("behind QEMU's own NAT is reached by forwarded ports", () => {
    const portForwards = [forward, { ...forward, protocol: 'udp', address: '127.0.0.1' } as const];
    expect(objectsOf('-netdev', argvOf({ interfaces: [nic({ portForwards })] }))).toEqual([
      { type: 'user', hostfwd: [{ str: 'tcp::2222-:22' }, { str: 'udp:127.0.0.1:2222-:22' }], id: 'hostnet0' },
    ]);
  });

  test.each(['::1', '1.2.3.4:1-:1,x=y', ''])('is not forwarded to from %j', (address) => {
    const interfaces = [nic({ portForwards: [{ ...forward, address }] })];
    expect(() => argvOf({ interfaces })).toThrow(invalid);
  });
});

describe('what a person sees', () => {
  test.each([
    [vnc, ['127.0.0.1:3']],
    [{ ...vnc, listen: '::' }, ['[::]:3']],
    [{ ...vnc, listen: 'a,password=on' }, ['a,,password=on:3']],
    [vncSocket('/run/v,1'), ['vnc=unix:/run/v,,1']],
  ])('%j is %j, without a display beside it', (graphics, expected) => {
    const argv = argvOf({ graphics: [graphics] }, { vncPorts: new Map([[0, 5903]]) });
    expect(valuesOf('-vnc', argv)).toEqual(expected);
    expect(argv).not.toContain('-display');
  });

  test('has the keyboard of the definition', () => {
    expect(valuesOf('-k', argvOf({ graphics: [{ ...vnc, port: 5900, keymap: 'de' }] }))).toEqual(['de']);
  });

  test.each<[Video, object]>([
    [video('vga', { vramBytes: 16 * 2 ** 20 }), { driver: 'VGA', vgamem_mb: 16 }],
    [video('cirrus', { vramBytes: 2 ** 20 }), { driver: 'cirrus-vga' }],
    [video('virtio', { heads: 2 }), { driver: 'virtio-vga', max_outputs: 2 }],
    [video('bochs', { vramBytes: 2 ** 24 }), { driver: 'bochs-display', vgamem: 2 ** 24 }],
    [
      video('qxl', { vramBytes: 2 ** 26, heads: 1 }),
      {
        driver: 'qxl-vga',
        max_outputs: 1,
        ram_size: 2 ** 26,
        vram_size: 2 ** 26,
        vram64_size_mb: 0,
        vgamem_mb: 16,
      },
    ],
  ])('%j is %j, where firmware looks for it', (card, expected) => {
    const [found] = objectsOf('-device', argvOf({ videos: [card] }));
    expect(found).toEqual({ ...expected, id: 'video0', bus: 'pcie.0', addr: '0x1' });
  });

  test('may have a second card of a kind that can be one', () => {
    const argv = argvOf({ videos: [video('virtio'), video('vga', { primary: true })] });
    expect(deviceOf('video0', argv)).toMatchObject({ driver: 'virtio-gpu-pci' });
    expect(() => argvOf({ videos: [video('vga'), video('vga')] })).toThrow(invalid);
  });
});

describe('an input device', () => {
  test('is on USB, on virtio, or the own one of the board', () => {
    const inputs = [
      input('tablet', 'usb'),
      input('keyboard', 'virtio'),
      input('mouse', 'ps2'),
      input('keyboard', 'usb'),
    ];
    const argv = argvOf({ controllers: [], inputs });
    expect(deviceOf('input0', argv)).toEqual({ driver: 'usb-tablet', bus: 'usb.0', id: 'input0' });
    expect(deviceOf('input1', argv)).toMatchObject({ driver: 'virtio-keyboard-pci' });
    expect(deviceOf('input2', argv)).toBeUndefined();
    expect(deviceOf('input3', argv)).toMatchObject({ driver: 'usb-kbd' });
  });

  test('never takes a port that a later one names', () => {
    const argv = argvOf({
      controllers: [],
      inputs: [
        input('tablet', 'usb'),
        input('mouse', 'usb', { address: { type: 'usb', bus: 0, port: '1' } }),
        input('mouse', 'usb'),
      ],
    });
    const ports = ['input0', 'input1', 'input2'].map((id) => deviceOf(id, argv));
    expect(ports).toMatchObject([{ port: '2' }, { port: '1' }, { port: '3' }]);
  });

  test('on USB is refused in a machine without', () => {
    expect(() => argvOf({ inputs: [input('tablet', 'usb')] })).toThrow(invalid);
  });
});

describe('what serves the guest', () => {
  test('entropy comes from a file of the host or from QEMU, so much a period', () => {
    const rate = { bytes: 9, periodMs: 5 };
    const rngs = [
      entropy({ backend: { type: 'random', path: '/dev/u,r' }, rate }),
      entropy({ model: 'virtio-transitional', virtio: { ...plainVirtio, packed: true } }),
    ];
    const argv = argvOf({ rngs });
    expect(objectsOf('-object', argv).slice(1)).toEqual([
      { 'qom-type': 'rng-random', id: 'objrng0', filename: '/dev/u,r' },
      { 'qom-type': 'rng-builtin', id: 'objrng1' },
    ]);
    expect(deviceOf('rng0', argv)).toMatchObject({ rng: 'objrng0', 'max-bytes': 9, period: 5 });
    expect(deviceOf('rng1', argv)).toMatchObject({ driver: 'virtio-rng-pci-transitional', packed: true });
  });

  test('a TPM is behind the socket of its companion', () => {
    const argv = argvOf({ tpm: { model: 'tpm-crb', backend: 'emulator', version: '2.0' } }, { tpmSocket: '/run/t,1' });
    expect(valuesOf('-chardev', argv)).toContain('socket,id=chrtpm,path=/run/t,,1');
    expect(valuesOf('-tpmdev', argv)).toEqual(['emulator,id=tpm-tpm0,chardev=chrtpm']);
    expect(deviceOf('tpm0', argv)).toEqual({ driver: 'tpm-crb', tpmdev: 'tpm-tpm0', id: 'tpm0' });
    const others = argvOf({ tpm: { model: 'tpm-tis', backend: 'external', socket: '/t,1' } });
    expect(valuesOf('-chardev', others)).toContain('socket,id=chrtpm,path=/t,,1');
  });

  test('has a TPM of the host by its descriptors', () => {
    const tpm = { model: 'tpm-tis', backend: 'passthrough', path: '/dev/tpm0' } as const;
    const argv = argvOf({ tpm }, { tpmFds: { device: 7, cancel: 8 } });
    expect(valuesOf('-add-fd', argv)).toEqual(['set=0,fd=7,opaque=tpm0-tpm', 'set=1,fd=8,opaque=tpm0-cancel']);
    expect(valuesOf('-tpmdev', argv)).toEqual(['passthrough,id=tpm-tpm0,path=/dev/fdset/0,cancel-path=/dev/fdset/1']);
  });

  const shared = {
    filesystems: [directory('/s', { target: 'ta,g', queueSize: 1024, bootOrder: 3 })],
  } as const;
  const filesystemSockets = new Map([[0, '/run/fs0']]);

  test('a directory is behind the socket of its companion, in memory that both see', () => {
    const memoryBacking = { ...bareDomain.memoryBacking, access: 'shared' } as const;
    const argv = argvOf({ ...shared, memoryBacking }, { filesystemSockets });
    expect(valuesOf('-chardev', argv)).toContain('socket,id=chr-vu-fs0,path=/run/fs0');
    expect(deviceOf('fs0', argv)).toMatchObject({
      driver: 'vhost-user-fs-pci',
      chardev: 'chr-vu-fs0',
      'queue-size': 1024,
      tag: 'ta,g',
      bootindex: 3,
    });
    expect(objectsOf('-object', argv)).toMatchObject([{ 'qom-type': 'memory-backend-memfd', share: true }]);
  });

  test('a directory is refused where memory is private', () => {
    expect(() => argvOf(shared, { filesystemSockets })).toThrow(invalid);
  });

  test.each([
    ['i6300esb', 'q35', { driver: 'i6300esb' }],
    ['ib700', 'pc', { driver: 'ib700' }],
  ] as const)('watchdog %s on %s is a device, its action the machine’s', (model, machine, expected) => {
    const watchdog = { model, action: 'inject-nmi', address: null } as const;
    const argv = argvOf({ ...onMachine(machine), watchdog });
    expect(deviceOf('watchdog0', argv)).toMatchObject(expected);
    expect(valuesOf('-action', argv)).toEqual(['watchdog=inject-nmi']);
  });

  test('watchdog itco is part of q35 alone', () => {
    const watchdog = { model: 'itco', action: 'reset', address: null } as const;
    expect(valuesOf('-global', argvOf({ watchdog }))).toEqual(['ICH9-LPC.noreboot=off']);
    expect(valuesOf('-global', argvOf({ watchdog: null }))).toEqual(['ICH9-LPC.noreboot=off']);
    expect(valuesOf('-global', argvOf({ ...onMachine('pc'), watchdog: null }))).toEqual([]);
    expect(() => argvOf({ ...pc, watchdog })).toThrow(invalid);
  });

  test('a panic is told by a port or a card', () => {
    expect(deviceOf('panic0', argvOf({ panic: { model: 'isa' } }))).toEqual({ driver: 'pvpanic', id: 'panic0' });
    expect(deviceOf('panic0', argvOf({ panic: { model: 'pvpanic' } }))).toMatchObject({ driver: 'pvpanic-pci' });
  });

  test('the balloon gives memory back when the guest runs short', () => {
    const memballoon = balloon({ autodeflate: true });
    expect(deviceOf('balloon0', argvOf({ memballoon }))).toMatchObject({ 'deflate-on-oom': true });
  });
});

describe('an emulator without a device', () => {
  test('is refused by the name of what it lacks', () => {
    const capabilities = { ...qemu10, devices: ['pcie-root-port', 'ich9-ahci'] };
    const refusal = expect.objectContaining({
      code: 'HOST_LACKS',
      details: expect.objectContaining({ device: 'virtio-blk-pci' }),
    });
    expect(() => argvOf({ disks: [disk('/d')] }, { capabilities })).toThrow(refusal);
  });

  test('is not asked for the same under another name', () => {
    const capabilities = { ...qemu10, devices: ['ich9-ahci', 'ide-cd'] };
    const cd = disk('', { device: 'cdrom', bus: 'sata', target: 'sdg', source: null });
    expect(deviceOf('sata1', argvOf({ disks: [cd] }, { capabilities }))).toMatchObject({ driver: 'ahci' });
  });
});
