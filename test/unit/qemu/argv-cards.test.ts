/** Network cards and shared directories beyond the usual, as QEMU's arguments. */
import { describe, expect, test } from 'vitest';
import type { Interface } from '../../../lib/domain/devices.ts';
import { plainCardDriver } from '../../../lib/domain/network.ts';
import { bareDomain, directory, disk, nic, qemu10 } from '../../fixtures/qmp/domains.ts';
import { argvOf, deviceOf, objectsOf, onMachine, valuesOf } from './argv-of.ts';

const invalid = expect.objectContaining({ code: 'INVALID_XML', hint: expect.any(String) });
const hostLacks = expect.objectContaining({ code: 'HOST_LACKS' });
const shared = { memoryBacking: { ...bareDomain.memoryBacking, access: 'shared' as const } };
const plan9 = {
  accessMode: 'passthrough',
  writesAtOnce: false,
  severalDevices: null,
  fileMode: null,
  directoryMode: null,
} as const;

function cardOf(change: Partial<Interface>): object | undefined {
  return deviceOf('net0', argvOf({ ...onMachine('pc'), interfaces: [nic(change)] }));
}

describe('a network card', () => {
  test.each([
    ['virtio-transitional', 'virtio-net-pci-transitional'],
    ['virtio-non-transitional', 'virtio-net-pci-non-transitional'],
    ['igb', 'igb'],
    ['ne2k_pci', 'ne2k_pci'],
  ] as const)('of model %s is %s', (model, driver) => {
    expect(cardOf({ model })).toMatchObject({ driver });
  });

  test('on a USB port has the first that is free, after disks', () => {
    const stick = disk('/a.raw', { bus: 'usb', target: 'sda', address: { type: 'usb', bus: 0, port: '1' } });
    const argv = argvOf({
      ...onMachine('q35'),
      controllers: [],
      disks: [stick],
      interfaces: [nic({ model: 'usb-net', bootOrder: 2 })],
    });
    const { mac } = nic();
    const names = { driver: 'usb-net', netdev: 'hostnet0', id: 'net0', mac, bootindex: 2 };
    expect(deviceOf('net0', argv)).toEqual({ ...names, bus: 'usb.0', port: '2' });
  });

  test('that the emulator has not is refused by name', () => {
    const capabilities = { ...qemu10, devices: ['virtio-net-pci'] };
    expect(() => argvOf({ ...onMachine('pc'), interfaces: [nic({ model: 'igb' })] }, { capabilities })).toThrow(
      hostLacks,
    );
  });

  test('of virtio is told how to handle packets', () => {
    const driver = {
      ...({ rxQueueSize: 512, txQueueSize: 1024, txMode: 'iothread', ioeventfd: true, eventIdx: false } as const),
      ...{ rss: false, rssHashReport: true },
      host: { csum: false, gso: true, tso4: false, mrg_rxbuf: false },
      guest: { csum: true, ufo: false },
    };
    const virtio = { iommu: true, ats: true, packed: true, pagePerQueue: true };
    expect(cardOf({ driver, virtio })).toMatchObject({
      ...{ iommu_platform: true, ats: true, packed: true, 'page-per-vq': true },
      ...{
        rx_queue_size: 512,
        tx_queue_size: 1024,
        tx: 'bh',
        ioeventfd: true,
        event_idx: false,
        rss: false,
        hash: true,
      },
      ...{ csum: false, gso: true, host_tso4: false, mrg_rxbuf: false, guest_csum: true, guest_ufo: false },
    });
  });

  test.each([
    [{ enabled: false, bar: null, file: null }, { romfile: '' }],
    [{ enabled: true, bar: true, file: null }, { rombar: 1 }],
    [
      { enabled: true, bar: false, file: '/a,b.rom' },
      { rombar: 0, romfile: '/a,b.rom' },
    ],
  ])('has the code %j as %j', (rom, expected) => {
    expect(cardOf({ rom, acpiIndex: 7 })).toMatchObject({ ...expected, 'acpi-index': 7 });
  });

  const place = { address: '192.0.2.1', port: 5558, local: null };

  test.each([
    ['server', { ...place, address: null }, { listen: ':5558' }],
    ['client', place, { connect: '192.0.2.1:5558' }],
    ['mcast', { ...place, address: '230.0.0.1' }, { mcast: '230.0.0.1:5558' }],
    [
      'udp',
      { ...place, local: { address: '127.0.0.1', port: 1 } },
      { udp: '192.0.2.1:5558', localaddr: '127.0.0.1:1' },
    ],
  ] as const)('of type %s is a socket: %j', (type, socket, expected) => {
    const argv = argvOf({ interfaces: [nic({ type, socket })] });
    expect(objectsOf('-netdev', argv)).toEqual([{ type: 'socket', ...expected, id: 'hostnet0' }]);
  });

  test('has no socket of IPv6', () => {
    const interfaces = [nic({ type: 'server', socket: { ...place, address: '::1' } })];
    expect(() => argvOf({ interfaces })).toThrow(invalid);
  });

  test('of another program is reached through its socket, in memory that both see', () => {
    const interfaces = [nic({ type: 'vhostuser', vhostUserSocket: '/run/a,b', queues: 2 })];
    const argv = argvOf({ ...shared, interfaces });
    expect(valuesOf('-chardev', argv)).toContain('socket,id=charnet0,path=/run/a,,b');
    expect(objectsOf('-netdev', argv)).toEqual([
      { type: 'vhost-user', chardev: 'charnet0', queues: 2, id: 'hostnet0' },
    ]);
    expect(deviceOf('net0', argv)).toMatchObject({ mq: true, vectors: 6 });
    expect(objectsOf('-object', argv)).toMatchObject([{ 'qom-type': 'memory-backend-memfd', share: true }]);
    expect(() => argvOf({ interfaces })).toThrow(invalid);
  });

  test('says nothing where nothing is told', () => {
    expect(Object.keys(cardOf({ driver: plainCardDriver }) ?? {})).toEqual([
      ...['driver', 'netdev', 'id', 'mac', 'bus', 'addr'],
    ]);
  });
});

describe('a directory by 9p', () => {
  test('is served by the hypervisor itself, in memory of its own', () => {
    const argv = argvOf({ filesystems: [directory('/s,t', { target: '/data', plan9, readonly: true })] });
    const fsdev = 'local,security_model=passthrough,id=fsdev-fs0,path=/s,,t,readonly=on';
    expect(valuesOf('-fsdev', argv)).toEqual([fsdev]);
    expect(deviceOf('fs0', argv)).toMatchObject({ driver: 'virtio-9p-pci', fsdev: 'fsdev-fs0', mount_tag: '/data' });
    expect(objectsOf('-object', argv)).toMatchObject([{ 'qom-type': 'memory-backend-ram' }]);
  });

  test('has its modes', () => {
    const told = { accessMode: 'mapped', writesAtOnce: true, severalDevices: 'remap', fileMode: '0600' } as const;
    const one = directory('/s', { plan9: { ...told, directoryMode: '0700' }, model: 'virtio-non-transitional' });
    const argv = argvOf({ filesystems: [one] });
    expect(valuesOf('-fsdev', argv)).toEqual([
      'local,security_model=mapped,multidevs=remap,fmode=0600,dmode=0700,writeout=immediate,id=fsdev-fs0,path=/s',
    ]);
    expect(deviceOf('fs0', argv)).toMatchObject({ driver: 'virtio-9p-pci-non-transitional' });
  });
});
