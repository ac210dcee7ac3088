import { describe, expect, test } from 'vitest';
import type { ScsiHostdev } from '../../../lib/domain/hostdev.ts';
import { disk, scsi } from '../../fixtures/qmp/domains.ts';
import { argvOf, deviceOf, objectsOf } from './argv-of.ts';

const passed = { type: 'scsi', managed: false, bootOrder: null, address: null, readonly: false } as const;
const adapter = { type: 'adapter', host: 2, bus: 0, target: 4, unit: 8 } as const;
const plain: ScsiHostdev = { ...passed, source: adapter };

const nothing = { query: null, snapshot: null, config: null, user: null, group: null, verifiesServer: null } as const;
const served: ScsiHostdev = {
  ...passed,
  source: {
    ...{ type: 'network', protocol: 'iscsi', name: 'iqn.1992-01.com.example:my,storage/1', ...nothing },
    ...{ readaheadBytes: null, timeoutSeconds: null, initiator: 'iqn.2020-07.com.example:test' },
    hosts: [{ transport: 'tcp', name: 'example.org', port: null }],
  },
};

const virtio = { controllers: [scsi(0, 'virtio-scsi')] };
const deviceNodes = new Map([
  [0, '/dev/sg7'],
  [1, '/dev/sg8'],
]);

function place(controller: number, target: number, unit: number): ScsiHostdev['address'] {
  return { type: 'drive', controller, bus: 0, target, unit };
}

describe('a SCSI device of the host', () => {
  test('gets the commands of its guest, by the generic node that was found', () => {
    const tape = { ...plain, readonly: true, bootOrder: 3, address: place(0, 4, 8) };
    const argv = argvOf({ ...virtio, hostdevs: [tape] }, { deviceNodes });
    expect(objectsOf('-blockdev', argv)).toEqual([
      { driver: 'host_device', filename: '/dev/sg7', 'node-name': 'hostdev0-backend', 'read-only': true },
    ]);
    expect(deviceOf('hostdev0', argv)).toEqual({
      ...{ driver: 'scsi-generic', drive: 'hostdev0-backend', id: 'hostdev0', bootindex: 3 },
      ...{ bus: 'scsi0.0', channel: 0, 'scsi-id': 4, lun: 8 },
    });
  });

  test('without an address has the lowest that no disk and no other has', () => {
    const second = disk('/a', { bus: 'scsi', target: 'sda' });
    const third = disk('/b', { bus: 'scsi', target: 'sdb', address: place(0, 0, 2) });
    const argv = argvOf({ ...virtio, disks: [second, third], hostdevs: [{ ...plain }, { ...plain }] }, { deviceNodes });
    expect(deviceOf('hostdev0', argv)).toMatchObject({ 'scsi-id': 0, lun: 1 });
    expect(deviceOf('hostdev1', argv)).toMatchObject({ 'scsi-id': 0, lun: 3 });
  });

  test('behind a controller that the definition has not, has libvirt’s, which knows no targets', () => {
    const argv = argvOf({ hostdevs: [{ ...plain, address: place(1, 0, 5) }] }, { deviceNodes });
    expect(deviceOf('scsi1', argv)).toMatchObject({ driver: 'lsi' });
    expect(deviceOf('hostdev0', argv)).toMatchObject({ bus: 'scsi1.0', 'scsi-id': 5 });
    const elsewhere = { hostdevs: [{ ...plain, address: place(0, 4, 5) }] };
    expect(() => argvOf(elsewhere, { deviceNodes })).toThrow('has no targets');
  });

  test('of an iSCSI server is reached by QEMU itself', () => {
    const argv = argvOf({ ...virtio, hostdevs: [served] });
    expect(objectsOf('-blockdev', argv)).toEqual([
      {
        ...{ driver: 'iscsi', portal: 'example.org:3260', target: 'iqn.1992-01.com.example:my,storage', lun: 1 },
        ...{ transport: 'tcp', 'initiator-name': 'iqn.2020-07.com.example:test' },
        ...{ 'node-name': 'hostdev0-backend', 'read-only': false },
      },
    ]);
  });

  test('is called by the name that the definition has for it', () => {
    const aliases = [{ device: 'hostdev', index: 0, name: 'ua-tape' }] as const;
    const argv = argvOf({ ...virtio, hostdevs: [plain], aliases }, { deviceNodes });
    expect(deviceOf('ua-tape', argv)).toMatchObject({ drive: 'hostdev0-backend' });
  });
});
