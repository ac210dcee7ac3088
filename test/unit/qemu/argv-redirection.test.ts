import { describe, expect, test } from 'vitest';
import type { Parallel, Serial } from '../../../lib/domain/devices.ts';
import type { Smartcard } from '../../../lib/domain/redirection.ts';
import { serial } from '../../fixtures/qmp/domains.ts';
import { argvOf, deviceOf, lines, objectsOf, onMachine, valuesOf } from './argv-of.ts';

const pc = { ...onMachine('pc'), controllers: [] };
const viewer = { type: 'spicevmc' } as const;

function of(id: string, argv: readonly string[]): object[] {
  return objectsOf('-device', argv).filter((each) => 'id' in each && String(each.id).startsWith(id));
}

describe('a serial port', () => {
  test.each<[Partial<Serial>, object]>([
    [{ address: { type: 'isa', iobase: 0x3f8, irq: 4 } }, { driver: 'isa-serial', index: 0, iobase: 1016, irq: 4 }],
    [
      { model: 'isa-debugcon', address: { type: 'isa', iobase: 0x402, irq: null } },
      { driver: 'isa-debugcon', iobase: 1026 },
    ],
    [
      { model: 'usb-serial', address: { type: 'usb', bus: 0, port: '2' } },
      { driver: 'usb-serial', bus: 'usb.0', port: '2' },
    ],
    [{ model: 'pci-serial' }, { driver: 'pci-serial', bus: 'pci.0', addr: '0x2' }],
  ])('%j is %j', (change, expected) => {
    const argv = argvOf({ ...pc, serials: [{ ...serial({ type: 'null' }), ...change }] });
    expect(deviceOf('serial0', argv)).toEqual({ ...expected, chardev: 'charserial0', id: 'serial0' });
  });
});

test('a parallel port is on ISA, and its chardev one of the host’s', () => {
  const place: Parallel['address'] = { type: 'isa', iobase: 0x378, irq: null };
  const argv = argvOf({
    parallels: [{ backend: { type: 'dev', path: '/dev/p' }, log: null, port: 0, address: place }],
  });
  expect(valuesOf('-chardev', argv)).toContain('parallel,id=charparallel0,path=/dev/p');
  expect(deviceOf('parallel0', argv)).toEqual({
    driver: 'isa-parallel',
    chardev: 'charparallel0',
    id: 'parallel0',
    iobase: 0x378,
  });
});

test('a forwarded channel is an address of QEMU’s own network, and no virtio-serial port', () => {
  const forward = { address: '10.0.2.1', port: 4600 };
  const argv = argvOf({ channels: [{ backend: { type: 'pty' }, log: null, name: null, forward, address: null }] });
  expect(objectsOf('-netdev', argv)).toEqual([
    { type: 'user', guestfwd: [{ str: 'tcp:10.0.2.1:4600-chardev:charchannel0' }], id: 'channel0' },
  ]);
  expect(of('virtio-serial', argv)).toEqual([]);
});

describe('what is redirected', () => {
  test('has its filter, its place in the boot order and its port', () => {
    const redirFilter = [
      { class: 8, vendor: 0x15e1, product: 0x2007, version: '1.09', allow: true },
      { class: null, vendor: null, product: null, version: '9.4', allow: false },
    ];
    const redirdevs = [{ backend: viewer, bootOrder: 1, address: { type: 'usb', bus: 0, port: '3' } }] as const;
    const argv = argvOf({ ...pc, redirdevs, redirFilter });
    expect(valuesOf('-chardev', argv)).toContain('spicevmc,id=charredir0,name=usbredir');
    expect(deviceOf('redir0', argv)).toEqual({
      driver: 'usb-redir',
      chardev: 'charredir0',
      id: 'redir0',
      filter: '0x08:0x15E1:0x2007:0x0109:1|-1:-1:-1:0x0940:0',
      bootindex: 1,
      bus: 'usb.0',
      port: '3',
    });
  });

  test('comes after the hubs it is plugged into', () => {
    const usb = (port: string) => ({ address: { type: 'usb', bus: 0, port } }) as const;
    const redirdevs = [{ backend: viewer, bootOrder: null, ...usb('1.2') }];
    const found = lines(argvOf({ ...pc, hubs: [usb('1')], redirdevs })).filter((line) => /usb-(hub|redir)/.test(line));
    expect(found.map((line) => /usb-\w+/.exec(line)?.[0])).toEqual(['usb-hub', 'usb-redir']);
  });
});

describe('a smart card', () => {
  const certificates = ['/1', '/2', '/3'];

  test.each<[Smartcard, object]>([
    [
      { mode: 'host', address: null },
      { driver: 'ccid-card-emulated', backend: 'nss-emulated' },
    ],
    [
      { mode: 'host-certificates', certificates, database: null, address: null },
      {
        driver: 'ccid-card-emulated',
        backend: 'certificates',
        cert1: '/1',
        cert2: '/2',
        cert3: '/3',
        db: '/etc/pki/nssdb',
      },
    ],
    [
      { mode: 'passthrough', backend: viewer, address: null },
      { driver: 'ccid-card-passthru', chardev: 'charsmartcard0' },
    ],
  ])('%j is %j, in a reader on USB', (card, expected) => {
    const argv = argvOf({ ...pc, smartcards: [card] });
    expect(deviceOf('smartcard0', argv)).toEqual({ ...expected, id: 'smartcard0', bus: 'ccid0.0' });
    expect(deviceOf('ccid0', argv)).toEqual({ driver: 'usb-ccid', id: 'ccid0', bus: 'usb.0' });
  });

  test('is in the reader that the definition has, at its place', () => {
    const place = { type: 'usb', bus: 0, port: '3' } as const;
    const controllers = [2, 1].map((index) => ({ type: 'ccid', index, address: index === 1 ? place : null }) as const);
    const argv = argvOf({
      controllers,
      smartcards: [{ mode: 'host', address: { type: 'ccid', controller: 1, slot: 0 } }],
    });
    expect(deviceOf('ccid2', argv)).toEqual({ driver: 'usb-ccid', id: 'ccid2', bus: 'usb.0', port: '1' });
    expect(deviceOf('ccid1', argv)).toEqual({ driver: 'usb-ccid', id: 'ccid1', bus: 'usb.0', port: '3' });
    expect(deviceOf('ccid0', argv)).toBeUndefined();
  });

  test('is in the reader its address names', () => {
    const address = { type: 'ccid', controller: 1, slot: 0 } as const;
    const argv = argvOf({
      ...pc,
      smartcards: [
        { mode: 'host', address },
        { mode: 'host', address: null },
      ],
    });
    expect(of('ccid', argv).map((each) => 'id' in each && each.id)).toEqual(['ccid1', 'ccid0']);
    expect(deviceOf('smartcard0', argv)).toMatchObject({ bus: 'ccid1.0' });
  });
});
