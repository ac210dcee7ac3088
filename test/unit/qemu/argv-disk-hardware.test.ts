/** What a disk tells the guest of itself, floppies and controllers, as QEMU's arguments. */
import { describe, expect, test } from 'vitest';
import { plainHardware } from '../../../lib/domain/disk-hardware.ts';
import { plainVirtio } from '../../../lib/domain/virtio.ts';
import { throttleArguments } from '../../../lib/qemu/argv-disk-hardware.ts';
import { diskBackend, diskId } from '../../../lib/qemu/argv-disks.ts';
import { bareDomain, bridge, disk, qemu10, scsi } from '../../fixtures/qmp/domains.ts';
import { argvOf, deviceOf, objectsOf, onMachine, valuesOf } from './argv-of.ts';

const hostLacks = expect.objectContaining({ code: 'HOST_LACKS', hint: expect.any(String) });
const invalid = expect.objectContaining({ code: 'INVALID_XML', hint: expect.any(String) });
const { driver } = disk('');

describe('a disk', () => {
  test('has all digits of its world wide name', () => {
    const hardware = { ...plainHardware, wwn: '5000c50015ea71ad', vendor: 'A,B', product: 'C', rotationRate: 1 };
    const argv = argvOf({ disks: [disk('/d', { bus: 'sata', target: 'sda', hardware })] });
    const device = valuesOf('-device', argv).find((value) => value.includes('sata0-0-0'));
    expect(device).toContain('"wwn":5764824127192592813,"vendor":"A,B","product":"C","rotation_rate":1');
  });

  test('is removable where it says so', () => {
    const stick = { bus: 'usb', target: 'sda', hardware: { ...plainHardware, removable: true } } as const;
    const argv = argvOf({ controllers: [], disks: [disk('/d', stick)] });
    expect(deviceOf('usb-disk0', argv)).toMatchObject({ removable: true });
  });

  test('has its geometry and sizes of blocks', () => {
    const geometry = { cylinders: 1, heads: 2, sectors: 3, translation: 'lba' } as const;
    const sizes = { logicalBlockBytes: 512, physicalBlockBytes: 4096, discardGranularityBytes: 0 };
    const hardware = { ...plainHardware, geometry, ...sizes };
    const argv = argvOf({ ...onMachine('pc'), disks: [disk('/d', { bus: 'ide', target: 'hda', hardware })] });
    const expected = { cyls: 1, heads: 2, secs: 3, 'bios-chs-trans': 'lba', logical_block_size: 512 };
    expect(deviceOf('ide0-0-0', argv)).toMatchObject({
      ...expected,
      physical_block_size: 4096,
      discard_granularity: 0,
    });
  });

  test('is a virtio device of its model, with its options', () => {
    const virtio = { iommu: true, ats: false, packed: true, pagePerQueue: true };
    const rules = { ...driver, queueSize: 256, ioeventfd: true, eventIdx: false };
    const change = { model: 'virtio-transitional', virtio, driver: rules } as const;
    expect(deviceOf('virtio-disk0', argvOf({ disks: [disk('/d', change)] }))).toEqual({
      driver: 'virtio-blk-pci-transitional',
      'queue-size': 256,
      ioeventfd: true,
      event_idx: false,
      iommu_platform: true,
      ats: false,
      packed: true,
      'page-per-vq': true,
      id: 'virtio-disk0',
      drive: 'libvirt-1-storage',
      bootindex: 1,
      bus: 'pcie.0',
      addr: '0x1',
    });
  });

  test('keeps what is read from a backing image', () => {
    const argv = argvOf({ disks: [disk('/d', { driver: { ...driver, copyOnRead: true } })] });
    expect(objectsOf('-blockdev', argv).at(-1)).toEqual({
      driver: 'copy-on-read',
      'node-name': 'libvirt-CoR-vda',
      file: 'libvirt-1-storage',
      discard: 'unmap',
    });
    expect(deviceOf('virtio-disk0', argv)).toMatchObject({ drive: 'libvirt-CoR-vda' });
  });

  test('keeps the place of what is discarded, where QEMU can', () => {
    const disks = [disk('/d', { format: 'qcow2', driver: { ...driver, discardNoUnref: true } })];
    expect(objectsOf('-blockdev', argvOf({ disks })).at(-1)).toMatchObject({ 'discard-no-unref': true });
    const old = { ...qemu10, version: '7.2.19' };
    expect(() => argvOf({ disks }, { capabilities: old })).toThrow(hostLacks);
    expect(() => argvOf({ disks }, { capabilities: { ...qemu10, version: '8.1.0' } })).not.toThrow();
  });

  test('is held to its limits by its id', () => {
    const limits = { read_bytes_sec: 5, read_bytes_sec_max: 6, read_bytes_sec_max_length: 7, size_iops_sec: 8 };
    expect(throttleArguments('virtio-disk0', { limits, group: 'g' })).toEqual({
      ...{ id: 'virtio-disk0', group: 'g', bps: 0, bps_wr: 0, iops: 0, iops_rd: 0, iops_wr: 0 },
      ...{ bps_rd: 5, bps_rd_max: 6, bps_rd_max_length: 7, iops_size: 8 },
    });
  });

  test.each([
    ['virtio-disk1', disk('/d', { target: 'vdb' })],
    ['usb-disk1', disk('/d', { target: 'sdb', bus: 'usb' })],
    ['scsi0-0-1', disk('/d', { target: 'sdb', bus: 'scsi' })],
    ['ide0-0-1', disk('/d', { target: 'hdb', bus: 'ide' })],
    ['fdc0-0-1', disk('/d', { target: 'fdb', bus: 'fdc' })],
  ])('is known as %s', (id, one) => {
    expect(diskId(one, bareDomain)).toBe(id);
    expect(diskBackend(one, bareDomain)).toContain(id);
  });
});

describe('a floppy drive', () => {
  const floppies = [
    disk('/d', { device: 'floppy', bus: 'fdc', target: 'fda' }),
    disk('', { device: 'floppy', bus: 'fdc', target: 'fdb', source: null }),
  ];
  const os = { ...bareDomain.os, boot: ['fd' as const] };

  test('is behind the controller of the board, which boots', () => {
    const argv = argvOf({ os: { ...os, machine: 'pc' }, disks: floppies });
    expect(valuesOf('-global', argv)).toContain('isa-fdc.bootindexA=1');
    expect(deviceOf('fdc0-0-0', argv)).toEqual({
      ...{ driver: 'floppy', unit: 0, id: 'fdc0-0-0', drive: 'libvirt-2-storage' },
    });
    expect(deviceOf('fdc0-0-1', argv)).toEqual({ driver: 'floppy', unit: 1, id: 'fdc0-0-1' });
    expect(deviceOf('fdc0', argv)).toBeUndefined();
  });

  test('has a controller of its own on q35', () => {
    const argv = argvOf({ os, disks: floppies });
    expect(deviceOf('fdc0', argv)).toEqual({ driver: 'isa-fdc', id: 'fdc0', bootindexA: 1 });
  });

  test('is refused where there is no place for it', () => {
    expect(() => argvOf({ ...onMachine('microvm'), controllers: [], disks: floppies })).toThrow(invalid);
  });
});

describe('a controller', () => {
  test.each([
    [null, 'lsi'],
    ['virtio-non-transitional', 'virtio-scsi-pci-non-transitional'],
    ['lsisas1068', 'mptsas1068'],
    ['lsisas1078', 'megasas'],
    ['vmpvscsi', 'pvscsi'],
  ] as const)('of SCSI and model %s is %s', (model, expected) => {
    expect(deviceOf('scsi0', argvOf({ controllers: [scsi(0, model)] }))).toMatchObject({ driver: expected });
  });

  test('of SCSI has its limits', () => {
    const limits = { queues: 2, commandsPerLun: 64, maxSectors: 512, ioeventfd: true };
    const found = deviceOf('scsi0', argvOf({ controllers: [scsi(0, 'virtio-scsi', limits)] }));
    expect(found).toMatchObject({ num_queues: 2, cmd_per_lun: 64, max_sectors: 512, ioeventfd: true });
  });

  test('of virtio-serial has its ports', () => {
    const serial = { type: 'virtio-serial', model: 'virtio', virtio: { ...plainVirtio, packed: true } } as const;
    const controllers = [{ ...serial, index: 0, ports: 16, vectors: 4, address: null }];
    expect(deviceOf('virtio-serial0', argvOf({ controllers }))).toMatchObject({
      max_ports: 16,
      vectors: 4,
      packed: true,
    });
  });

  test('of PCI is told whether cards may come, and where an expander begins', () => {
    const controllers = [
      ...bareDomain.controllers,
      bridge(1, 'pcie-root-port', { hotplug: false }),
      bridge(2, 'pcie-expander-bus', { busNumber: 200 }),
      bridge(3, 'pcie-expander-bus'),
      bridge(0, 'pcie-root', { hole64Bytes: 2 ** 30 }),
    ];
    const argv = argvOf({ controllers });
    expect(deviceOf('pci.1', argv)).toMatchObject({ driver: 'pcie-root-port', hotplug: false });
    expect(deviceOf('pci.2', argv)).toMatchObject({ driver: 'pxb-pcie', bus_nr: 200 });
    expect(deviceOf('pci.3', argv)).toMatchObject({ bus_nr: 252 });
    expect(valuesOf('-global', argv)).toContain('q35-pcihost.pci-hole64-size=1048576K');
  });

  test('of a switch without an address is where libvirt puts it', () => {
    const usb = bareDomain.controllers;
    const ports = [bridge(1, 'pcie-root-port', { hotplug: false }), bridge(2, 'pcie-root-port')];
    const upstream = bridge(3, 'pcie-switch-upstream-port');
    const downstream = [4, 5].map((index) => bridge(index, 'pcie-switch-downstream-port'));
    const argv = argvOf({ controllers: [...usb, ...ports, upstream, ...downstream] });
    expect(deviceOf('pci.3', argv)).toMatchObject({ bus: 'pci.2', addr: '0x0' });
    expect(deviceOf('pci.4', argv)).toMatchObject({ bus: 'pci.3', addr: '0x0', port: 0 });
    expect(deviceOf('pci.5', argv)).toMatchObject({ bus: 'pci.3', addr: '0x1', port: 1 });
    expect(() => argvOf({ controllers: [...usb, upstream] })).toThrow(invalid);
  });

  test('of a second switch is behind the first where root ports run out', () => {
    const downstream = [3, 4].map((index) => bridge(index, 'pcie-switch-downstream-port'));
    const switches = [2, 5].map((index) => bridge(index, 'pcie-switch-upstream-port'));
    const argv = argvOf({
      controllers: [...bareDomain.controllers, bridge(1, 'pcie-root-port'), ...switches, ...downstream],
    });
    expect(deviceOf('pci.2', argv)).toMatchObject({ bus: 'pci.1' });
    expect(deviceOf('pci.5', argv)).toMatchObject({ bus: 'pci.3', addr: '0x0' });
    expect(deviceOf('pci.4', argv)).toMatchObject({ bus: 'pci.2', addr: '0x1' });
  });
});
