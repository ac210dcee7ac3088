import { describe, expect, test } from 'vitest';
import type { Shmem } from '../../../lib/domain/shmem.ts';
import { at } from '../../fixtures/qmp/machines.ts';
import { argvOf, deviceOf, objectsOf, valuesOf } from './argv-of.ts';

const plain = { model: 'ivshmem-plain', name: 'a,b', role: null, sizeBytes: 2 ** 20, address: null } as const;
const served = { model: 'ivshmem-doorbell', name: 's', role: null, vectors: null, ioeventfd: true } as const;

function argv(...shmems: Shmem[]): string[] {
  return argvOf({ shmems });
}

describe('memory that guests share', () => {
  test('is a file below /dev/shm that QEMU maps with the others', () => {
    const line = argv(plain, { ...plain, role: 'master', address: at(0, 9) }, { ...plain, role: 'peer' });
    expect(objectsOf('-object', line)).toContainEqual({
      ...{
        'qom-type': 'memory-backend-file',
        id: 'shmmem-shmem0',
        'mem-path': '/dev/shm/a,b',
        size: 2 ** 20,
        share: true,
      },
    });
    expect(deviceOf('shmem0', line)).toEqual({
      ...{ driver: 'ivshmem-plain', id: 'shmem0', memdev: 'shmmem-shmem0', bus: 'pcie.0', addr: '0x1' },
    });
    expect(deviceOf('shmem1', line)).toMatchObject({ memdev: 'shmmem-shmem1', master: 'on', addr: '0x9' });
    expect(deviceOf('shmem2', line)).toMatchObject({ master: 'off' });
  });

  test('with interrupts comes from a server, at its socket or at libvirt’s of that name', () => {
    const line = argv(
      { ...served, server: '/run/a,b', vectors: 16, ioeventfd: false, address: null },
      { ...served, server: null, address: null },
    );
    expect(valuesOf('-chardev', line)).toContain('socket,id=charshmem0,path=/run/a,,b');
    expect(valuesOf('-chardev', line)).toContain('socket,id=charshmem1,path=/var/lib/libvirt/shmem-s-sock');
    expect(deviceOf('shmem0', line)).toMatchObject({
      ...{ driver: 'ivshmem-doorbell', chardev: 'charshmem0', vectors: 16, ioeventfd: false },
    });
    expect(deviceOf('shmem1', line)).not.toHaveProperty('vectors');
  });
});
