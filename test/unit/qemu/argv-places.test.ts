import { describe, expect, test } from 'vitest';
import type { Domain } from '../../../lib/domain/definition.ts';
import type { Controller } from '../../../lib/domain/devices.ts';
import { bareDomain, bridge as pciBridge, disk, nic, scsi } from '../../fixtures/qmp/domains.ts';
import { at, wholeMachine } from '../../fixtures/qmp/machines.ts';
import { balloon as oneBalloon } from '../../fixtures/qmp/small.ts';
import { argvOf, deviceOf, objectsOf, onMachine } from './argv-of.ts';

/** `bus addr` of each device that is on a PCI bus, by its id. */
function places(argv: readonly string[]): Record<string, string> {
  const devices = objectsOf('-device', argv) as { id?: string; bus?: string; addr?: string; masterbus?: string }[];
  const onPci = devices.filter(({ addr }) => addr !== undefined);
  return Object.fromEntries(
    onPci.map(({ id, masterbus, bus, addr }, n) => [id ?? `${masterbus}-${n}`, `${bus} ${addr}`]),
  );
}

const port = (index: number, address: Controller['address'] = null): Controller => {
  return pciBridge(index, 'pcie-root-port', { address });
};
const balloon = { memballoon: oneBalloon() } as const;
const usual: Partial<Domain> = { ...balloon, disks: [disk('/d')], interfaces: [nic()], controllers: [] };

describe('a device without an address', () => {
  test('sits on pc where libvirt puts it', () => {
    expect(places(argvOf({ ...usual, ...onMachine('pc') }))).toEqual({
      usb: 'pci.0 0x1.0x2',
      net0: 'pci.0 0x2',
      'virtio-disk0': 'pci.0 0x3',
      balloon0: 'pci.0 0x4',
    });
  });

  test('sits on q35 in a port of its own, as libvirt puts it', () => {
    expect(places(argvOf(usual))).toEqual({
      'pci.1': 'pcie.0 0x1',
      'pci.2': 'pcie.0 0x1.0x1',
      'pci.3': 'pcie.0 0x1.0x2',
      'pci.4': 'pcie.0 0x1.0x3',
      net0: 'pci.1 0x0',
      usb: 'pci.2 0x0',
      'virtio-disk0': 'pci.3 0x0',
      balloon0: 'pci.4 0x0',
    });
  });

  test('takes a free port of the definition first', () => {
    const controllers = [...bareDomain.controllers, port(1, at(0, 5)), port(2), port(7)];
    const found = places(argvOf({ ...usual, controllers, interfaces: [nic({ address: at(1, 0) })] }));
    expect(found).toMatchObject({ 'pci.1': 'pcie.0 0x5', 'pci.2': 'pcie.0 0x1', 'pci.7': 'pcie.0 0x1.0x1' });
    expect(found).toMatchObject({ net0: 'pci.1 0x0', 'virtio-disk0': 'pci.2 0x0', balloon0: 'pci.7 0x0' });
  });

  test.each(['pc', 'q35'])('never meets one with an address on %s', (machine) => {
    const interfaces = [1, 2, 3].map((number) => nic({ model: 'rtl8139', address: number === 2 ? at(0, 2) : null }));
    const found = Object.values(places(argvOf({ ...usual, ...onMachine(machine), interfaces })));
    expect(new Set(found).size).toBe(found.length);
    expect(found).toContain(machine === 'pc' ? 'pci.0 0x2' : 'pcie.0 0x2');
  });

  test.each(['pc', 'q35'] as const)('never meets another in a whole %s', (board) => {
    const found = Object.values(places(argvOf(wholeMachine('/d', board))));
    expect(found.length).toBeGreaterThan(15);
    expect(new Set(found).size).toBe(found.length);
  });

  test('is refused when the root bus is full', () => {
    const interfaces = Array.from({ length: 40 }, () => nic({ model: 'rtl8139' }));
    expect(() => argvOf({ interfaces })).toThrow(expect.objectContaining({ code: 'INVALID_XML' }));
  });
});

describe('a slot with several functions', () => {
  test('says so in the first', () => {
    const interfaces = [nic({ address: at(0, 6, 1) }), nic({ address: at(0, 6) })];
    const argv = argvOf({ ...onMachine('pc'), interfaces });
    expect(deviceOf('net0', argv)).toMatchObject({ addr: '0x6.0x1' });
    expect(deviceOf('net0', argv)).not.toHaveProperty('multifunction');
    expect(deviceOf('net1', argv)).toMatchObject({ addr: '0x6', multifunction: true });
  });
});

describe('a bridge', () => {
  const bridge = (index: number, model: (Controller & { type: 'pci' })['model'], change: object = {}): Controller => {
    return pciBridge(index, model, change);
  };

  test.each([
    ['pc', 'pci-bridge', { driver: 'pci-bridge', chassis_nr: 3, id: 'pci.3' }],
    ['q35', 'pcie-root-port', { driver: 'pcie-root-port', chassis: 3, id: 'pci.3' }],
  ])('that only an address names is the usual one of %s: %s', (machine, _model, expected) => {
    const argv = argvOf({ ...onMachine(machine), interfaces: [nic({ address: at(3, 0) })] });
    expect(deviceOf('pci.3', argv)).toMatchObject(expected);
    expect(deviceOf('net0', argv)).toMatchObject({ bus: 'pci.3' });
  });

  test.each<[Controller, object]>([
    [
      bridge(1, 'pcie-root-port', { modelName: 'ioh3420', chassis: 40, port: 26, address: at(0, 2, 1) }),
      { driver: 'ioh3420', port: 26, chassis: 40 },
    ],
    [bridge(1, 'pcie-to-pci-bridge'), { driver: 'pcie-pci-bridge' }],
    [bridge(1, 'dmi-to-pci-bridge'), { driver: 'i82801b11-bridge' }],
    [bridge(1, 'pcie-switch-upstream-port', { address: at(9, 0) }), { driver: 'x3130-upstream', bus: 'pci.9' }],
    [
      bridge(1, 'pcie-switch-downstream-port', { address: at(9, 3) }),
      { driver: 'xio3130-downstream', port: 3, chassis: 1 },
    ],
  ])('%j is %j', (controller, expected) => {
    expect(deviceOf('pci.1', argvOf({ controllers: [...bareDomain.controllers, controller] }))).toMatchObject(expected);
  });

  test('of a name that is no bridge is refused', () => {
    const controllers = [bridge(1, 'pcie-root-port', { modelName: 'vfio-pci' })];
    expect(() => argvOf({ controllers })).toThrow(expect.objectContaining({ code: 'INVALID_XML' }));
  });
});

describe('controllers', () => {
  test('of disks and channels are implied, those of the board are not made', () => {
    const disks = [
      disk('/a', { target: 'sdh', bus: 'scsi' }),
      disk('/b', { target: 'sda', bus: 'sata' }),
      disk('/c', { target: 'sdg', bus: 'sata' }),
    ];
    const controllers = [...bareDomain.controllers, scsi(1, 'virtio-scsi')];
    const drivers = objectsOf('-device', argvOf({ controllers, disks })).map((each) =>
      'driver' in each ? each.driver : null,
    );
    expect(drivers.filter((each) => each === 'ahci' || each === 'virtio-scsi-pci' || each === 'lsi')).toEqual([
      'lsi',
      'virtio-scsi-pci',
      'ahci',
    ]);
  });

  test('of USB 2 are a group at their place on a real board', () => {
    const models = ['ich9-ehci1', 'ich9-uhci1', 'ich9-uhci2', 'ich9-uhci3'] as const;
    const controllers = models.map((model) => {
      return { type: 'usb', index: 0, model, ports: null, startPort: null, address: null } as const;
    });
    expect(objectsOf('-device', argvOf({ controllers }))).toEqual([
      { driver: 'ich9-usb-ehci1', id: 'usb', bus: 'pcie.0', addr: '0x1d.0x7' },
      { driver: 'ich9-usb-uhci1', masterbus: 'usb.0', firstport: 0, bus: 'pcie.0', multifunction: true, addr: '0x1d' },
      { driver: 'ich9-usb-uhci2', masterbus: 'usb.0', firstport: 2, bus: 'pcie.0', addr: '0x1d.0x1' },
      { driver: 'ich9-usb-uhci3', masterbus: 'usb.0', firstport: 4, bus: 'pcie.0', addr: '0x1d.0x2' },
    ]);
  });

  test('are none on a machine domctl does not know', () => {
    expect(objectsOf('-device', argvOf({ ...onMachine('microvm'), controllers: [] }))).toEqual([]);
  });
});
