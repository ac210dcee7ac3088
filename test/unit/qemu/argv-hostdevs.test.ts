import { describe, expect, test } from 'vitest';
import type { Hostdev } from '../../../lib/domain/hostdev.ts';
import { nic } from '../../fixtures/qmp/domains.ts';
import { at } from '../../fixtures/qmp/machines.ts';
import { argvOf, deviceOf, objectsOf, onMachine } from './argv-of.ts';

const passed = { managed: false, bootOrder: null, address: null } as const;
const source = { domain: 0, bus: 6, slot: 0x12, function: 5 };
const uuid = '53764d0e-85a0-42b4-af5c-2046b460b1dc';
const usb: Hostdev = { ...passed, type: 'usb', kind: null, place: { bus: 14, device: 6 }, guestReset: null };
const noControllers = { controllers: [] };

describe('a device of the host', () => {
  test('on PCI goes through VFIO, with its ROM, its place and its turn to boot', () => {
    const rom = { enabled: true, bar: true, file: '/r,1' };
    const argv = argvOf({
      ...onMachine('pc'),
      hostdevs: [
        { ...passed, type: 'pci', source, rom, bootOrder: 2, address: at(0, 9) },
        { ...passed, type: 'pci', source: { ...source, domain: 0xa, function: 0 }, rom: null },
      ],
    });
    expect(deviceOf('hostdev0', argv)).toEqual({
      ...{ driver: 'vfio-pci', host: '0000:06:12.5', rombar: 1, romfile: '/r,1', id: 'hostdev0', bootindex: 2 },
      ...{ bus: 'pci.0', addr: '0x9' },
    });
    expect(deviceOf('hostdev1', argv)).toMatchObject({ host: '000a:06:12.0', bus: 'pci.0', addr: '0x2' });
  });

  test('of a mediated kind is named by its UUID and has a screen only where it is told so', () => {
    const mdev = { ...passed, type: 'mdev', uuid, ramfb: null } as const;
    const argv = argvOf({
      hostdevs: [
        { ...mdev, display: false },
        { ...mdev, display: true, ramfb: true },
      ],
    });
    const sysfsdev = `/sys/bus/mdev/devices/${uuid}`;
    expect(deviceOf('hostdev0', argv)).toMatchObject({ driver: 'vfio-pci', sysfsdev, display: 'off' });
    expect(deviceOf('hostdev1', argv)).toMatchObject({ driver: 'vfio-pci-nohotplug', display: 'on', ramfb: true });
  });

  test('on q35 has a port of PCI Express to itself', () => {
    const argv = argvOf({ hostdevs: [{ ...passed, type: 'pci', source, rom: null }] });
    expect(deviceOf('hostdev0', argv)).toMatchObject({ bus: 'pci.1', addr: '0x0' });
  });

  test('on USB is the node that was found at start', () => {
    const deviceNodes = new Map([[0, '/dev/bus/usb/014/006']]);
    const argv = argvOf({ ...noControllers, hostdevs: [usb] }, { deviceNodes });
    expect(deviceOf('hostdev0', argv)).toEqual({
      ...{ driver: 'usb-host', hostdevice: '/dev/bus/usb/014/006', id: 'hostdev0', bus: 'usb.0' },
    });
  });

  test.each([
    ['off', { 'guest-reset': false }],
    ['uninitialized', { 'guest-reset': true, 'guest-resets-all': false }],
    ['on', { 'guest-reset': true, 'guest-resets-all': true }],
  ] as const)('on USB lets the guest reset it as told: %s', (guestReset, expected) => {
    const deviceNodes = new Map([[0, '/dev/bus/usb/001/002']]);
    const argv = argvOf({ ...noControllers, hostdevs: [{ ...usb, guestReset }] }, { deviceNodes });
    expect(deviceOf('hostdev0', argv)).toMatchObject(expected);
  });
});

test.each([
  [{ enabled: false, bar: null, file: null }, { romfile: '' }],
  [{ enabled: true, bar: false, file: null }, { rombar: 0 }],
])('a network card brings the ROM it is given: %j', (rom, expected) => {
  expect(deviceOf('net0', argvOf({ interfaces: [nic({ rom })] }))).toMatchObject(expected);
});

test('a vsock has its number and the descriptor that was opened for it', () => {
  const plain = { iommu: null, ats: null, packed: true, pagePerQueue: null };
  const vsock = { model: 'virtio-non-transitional', cid: null, virtio: plain, address: at(0, 5) } as const;
  const argv = argvOf({ vsock }, { vsock: { cid: 7, fd: 12 } });
  expect(deviceOf('vsock0', argv)).toEqual({
    ...{ driver: 'vhost-vsock-pci-non-transitional', packed: true, id: 'vsock0', 'guest-cid': 7, vhostfd: '12' },
    ...{ bus: 'pcie.0', addr: '0x5' },
  });
});

test('a store of errors is a file of the host that the guest shares', () => {
  const argv = argvOf({ pstore: { path: '/p', sizeBytes: 8192, address: at(0, 5) } });
  const file = { 'qom-type': 'memory-backend-file', id: 'mempstore0', 'mem-path': '/p', size: 8192, share: true };
  expect(objectsOf('-object', argv)).toContainEqual(file);
  expect(deviceOf('pstore0', argv)).toMatchObject({ driver: 'acpi-erst', memdev: 'mempstore0', addr: '0x5' });
});
