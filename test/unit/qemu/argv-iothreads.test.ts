import { expect, test } from 'vitest';
import { disk, scsi } from '../../fixtures/qmp/domains.ts';
import { argvOf, deviceOf, objectsOf } from './argv-of.ts';

const plain = { poolMin: null, poolMax: null, poll: null };

test('threads that serve disks have names by which disks know them', () => {
  const base = disk('/a.raw');
  const argv = argvOf({
    iothreads: [
      { ...plain, id: 5, poolMin: 8, poolMax: 16 },
      { ...plain, id: 1, poll: { maxNs: 32768, grow: 0, shrink: null } },
    ],
    controllers: [scsi(0, 'virtio-scsi', { iothread: 1 })],
    disks: [{ ...base, driver: { ...base.driver, iothread: 5 } }],
  });
  expect(objectsOf('-object', argv)).toEqual([
    expect.objectContaining({ id: 'pc.ram' }),
    { 'qom-type': 'iothread', id: 'iothread5', 'thread-pool-min': 8, 'thread-pool-max': 16 },
    { 'qom-type': 'iothread', id: 'iothread1', 'poll-max-ns': 32768, 'poll-grow': 0 },
  ]);
  expect(deviceOf('scsi0', argv)).toMatchObject({ driver: 'virtio-scsi-pci', iothread: 'iothread1' });
  expect(deviceOf('virtio-disk0', argv)).toMatchObject({ driver: 'virtio-blk-pci', iothread: 'iothread5' });
});
