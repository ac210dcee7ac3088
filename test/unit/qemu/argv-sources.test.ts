/** Where the data of a disk is, and what is behind it, as QEMU's arguments. */
import { describe, expect, test } from 'vitest';
import type { Disk } from '../../../lib/domain/devices.ts';
import { server } from '../../fixtures/qmp/sources.ts';
import { disk } from '../../fixtures/qmp/domains.ts';
import { argvOf, deviceOf, objectsOf, onMachine } from './argv-of.ts';

const invalid = expect.objectContaining({ code: 'INVALID_XML', hint: expect.any(String) });

function nodesOf(...disks: readonly Disk[]): object[] {
  return objectsOf('-blockdev', argvOf({ ...onMachine('pc'), disks }));
}

const unix = { transport: 'unix', socket: '/run/a,b' } as const;
const example = { transport: 'tcp', name: 'example.org', port: null } as const;
const other = { transport: 'tcp', name: '::1', port: 8080 } as const;

describe('the data of a disk', () => {
  test.each([
    ['nbd', { hosts: [unix], name: 'a/b' }, { server: { type: 'unix', path: '/run/a,b' }, export: 'a/b' }],
    ['nbd', { hosts: [example] }, { server: { type: 'inet', host: 'example.org', port: '10809' } }],
    [
      'iscsi',
      { hosts: [example], name: 'iqn.1992-01.com.example/2', initiator: 'iqn.a' },
      {
        ...{ portal: 'example.org:3260', target: 'iqn.1992-01.com.example', lun: 2 },
        ...{ transport: 'tcp', 'initiator-name': 'iqn.a' },
      },
    ],
    ['iscsi', { hosts: [other], name: 'iqn.a' }, { portal: '[::1]:8080', target: 'iqn.a', lun: 0 }],
    [
      'rbd',
      { hosts: [example, other], name: 'pool/image', snapshot: 's' },
      {
        ...{ pool: 'pool', image: 'image', snapshot: 's' },
        server: [
          { host: 'example.org', port: '6789' },
          { host: '::1', port: '8080' },
        ],
      },
    ],
    [
      'rbd',
      { name: 'pool/space/image', config: '/c' },
      { pool: 'pool', namespace: 'space', image: 'image', conf: '/c' },
    ],
    [
      'https',
      { hosts: [other], name: '/a b/c', query: 'd=e', verifiesServer: false, readaheadBytes: 5, timeoutSeconds: 6 },
      { url: 'https://[::1]:8080/a%20b/c?d=e', sslverify: false, readahead: 5, timeout: 6 },
    ],
    ['ftp', { hosts: [example], name: 'a' }, { url: 'ftp://example.org:21/a' }],
    [
      'nfs',
      { hosts: [example], name: '/a', user: 5, group: 6 },
      { server: { type: 'inet', host: 'example.org' }, path: '/a', user: 5, group: 6 },
    ],
  ] as const)('on a server of %s is %j', (protocol, change, expected) => {
    const nodes = nodesOf(disk('', { source: server({ protocol, ...change }), readonly: true }));
    const node = expect.objectContaining({ driver: protocol, ...expected, 'node-name': 'libvirt-1-storage' });
    expect(nodes).toEqual([node]);
    expect(nodes[0]).not.toHaveProperty('locking');
  });

  test('is nowhere without a server', () => {
    expect(() => nodesOf(disk('', { source: server({ protocol: 'nbd' }) }))).toThrow(invalid);
  });

  test('is a directory as a FAT file system, which is only read', () => {
    const floppy = { device: 'floppy', bus: 'fdc', target: 'fda', format: 'fat', readonly: true } as const;
    const nodes = nodesOf(disk('', { ...floppy, source: { type: 'dir', path: '/srv' } }));
    expect(nodes).toEqual([
      {
        ...{ driver: 'vvfat', dir: '/srv', floppy: true, rw: false, 'node-name': 'libvirt-1-storage' },
        ...{ 'auto-read-only': true, discard: 'unmap' },
      },
      { 'node-name': 'libvirt-1-format', 'read-only': true, driver: 'raw', file: 'libvirt-1-storage' },
    ]);
  });
});

describe('what is behind an image', () => {
  const base = { source: { type: 'block', path: '/dev/base' }, format: 'raw' } as const;
  const middle = { source: { type: 'file', path: '/middle' }, format: 'qcow2' } as const;
  const told = { format: 'qcow2', backing: { images: [middle, base], ends: true } } as const;

  test('is named, the deepest first, and numbered above it', () => {
    const { driver } = disk('');
    const argv = argvOf({
      disks: [
        disk('/top', { ...told, driver: { ...driver, cache: 'none', discard: 'unmap', detectZeroes: 'on' } }),
        disk('/last', { target: 'vdb' }),
      ],
    });
    const cache = { direct: true, 'no-flush': false };
    const below = { 'auto-read-only': true, discard: 'unmap', cache };
    expect(objectsOf('-blockdev', argv)).toMatchObject([
      { driver: 'host_device', filename: '/dev/base', 'node-name': 'libvirt-4-storage', 'read-only': true, cache },
      { driver: 'file', filename: '/middle', 'node-name': 'libvirt-3-storage', ...below },
      { driver: 'qcow2', 'node-name': 'libvirt-3-format', 'read-only': true, backing: 'libvirt-4-storage' },
      { driver: 'file', filename: '/top', 'node-name': 'libvirt-2-storage', ...below },
      { driver: 'qcow2', 'node-name': 'libvirt-2-format', 'read-only': false, backing: 'libvirt-3-format' },
      { driver: 'file', filename: '/last', 'node-name': 'libvirt-1-storage' },
    ]);
    expect(objectsOf('-blockdev', argv)[2]).not.toHaveProperty('detect-zeroes');
    expect(deviceOf('virtio-disk0', argv)).toMatchObject({ drive: 'libvirt-2-format' });
  });

  test.each([
    [{ images: [], ends: true }, { backing: null }],
    [{ images: [middle], ends: true }, { backing: 'libvirt-2-format' }],
  ])('%j is %j', (backing, expected) => {
    expect(nodesOf(disk('/top', { format: 'qcow2', backing })).at(-1)).toMatchObject(expected);
  });

  test('ends where the definition ends it, and else where the last image says', () => {
    const chain = (ends: boolean): object | undefined =>
      nodesOf(disk('/top', { format: 'qcow2', backing: { images: [middle], ends } }))[1];
    expect(chain(true)).toMatchObject({ 'node-name': 'libvirt-2-format', backing: null });
    expect(chain(false)).not.toHaveProperty('backing');
    expect(nodesOf(disk('/top', { format: 'qcow2' }))[1]).not.toHaveProperty('backing');
  });
});
